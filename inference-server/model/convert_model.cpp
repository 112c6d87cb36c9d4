#include "inference-server/model/convert_model.hpp"

#include <utility>

#include "inference-server/model/manifest.hpp"
#include "inference-server/model/mapped_file.hpp"
#include "inference-server/model/reference_logits.hpp"
#include "inference-server/model/weights_check.hpp"
#include "inference-server/model/weights_file.hpp"

namespace imageclassifier::model {
namespace {

constexpr int kImagenetClasses = 1000;

Result<Manifest> make_manifest(const ConvertOptions& options, const Safetensors& file, int classes) {
  auto manifest = parse_manifest(file.metadata);
  if (!manifest) return manifest;
  if (options.weights != WeightsVersion::kAsTheFile) {
    const bool v1 = options.weights == WeightsVersion::kV1;
    manifest->transform = v1 ? preprocess::kImagenetV1 : preprocess::kImagenetV2;
    // With other classes these are somebody's own weights, prepared in the same way.
    manifest->weights = classes != kImagenetClasses ? "" : v1 ? "IMAGENET1K_V1" : "IMAGENET1K_V2";
  } else if (!file.metadata.contains("resize")) {
    return fail(
        ErrorCode::kInvalidArgument,
        "the file does not say how its pictures were prepared: give --weights V1 (shorter side 256) or V2 (232)");
  }
  if (!options.labels.names.empty()) {
    manifest->labels = options.labels.names;
    manifest->wnids = options.labels.wnids;
  }
  const std::size_t labels = manifest->labels.size();
  if (labels == 0 || labels == static_cast<std::size_t>(classes)) return manifest;
  return fail(ErrorCode::kInvalidArgument, "there are " + std::to_string(labels) + " labels, but " +
                                               std::to_string(classes) + " classes in " + options.input);
}

}  // namespace

Result<ConvertReport> convert_model(const ConvertOptions& options) {
  if (auto writable = check_output(options.output); !writable) return tl::unexpected(writable.error());
  const auto mapped = MappedFile::open(options.input);
  if (!mapped) return tl::unexpected(mapped.error());
  const auto file = read_intact_weights_file(mapped->bytes());
  if (!file) return fail(Error(file.error().code, "the weights file " + options.input + " is unusable", file.error()));
  const auto architecture = recognise_architecture(file->content);
  if (!architecture) return tl::unexpected(architecture.error());
  if (!options.architecture.empty() && options.architecture != architecture->name) {
    return fail(ErrorCode::kInvalidArgument,
                options.input + " holds a " + architecture->name + ", not a " + options.architecture);
  }
  const auto precision = file->content.metadata.find("precision");
  if (precision != file->content.metadata.end() && precision->second == "int8") {
    return fail(ErrorCode::kInvalidArgument, options.input +
                                                 " is in int8 as inference-server calibrate wrote it and is served as "
                                                 "it is; give the float32 model that it was made from");
  }
  const auto checked = check_weights(*architecture, file->content);
  if (!checked) return tl::unexpected(checked.error());
  auto manifest = make_manifest(options, file->content, checked->classes);
  if (!manifest) return tl::unexpected(manifest.error());
  manifest->architecture = architecture->name;
  auto reference = make_reference_logits(*architecture, checked->classes, checked->tensors, manifest->transform);
  if (!reference) return tl::unexpected(reference.error());
  manifest->reference = std::move(*reference);
  auto digest = write_weights(options.output, *architecture, checked->classes, checked->tensors, *manifest);
  if (!digest) return tl::unexpected(digest.error());
  return ConvertReport{options.output, std::move(*digest), architecture->name, checked->classes};
}

}  // namespace imageclassifier::model
