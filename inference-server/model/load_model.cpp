#include <malloc.h>

#include <future>
#include <optional>
#include <utility>

#include "common/log.hpp"
#include "common/sha256.hpp"
#include "inference-server/model/architecture.hpp"
#include "inference-server/model/checksums.hpp"
#include "inference-server/model/engine_choice.hpp"
#include "inference-server/model/manifest.hpp"
#include "inference-server/model/mapped_file.hpp"
#include "inference-server/model/model.hpp"
#include "inference-server/model/torch_archive.hpp"
#include "inference-server/model/torch_module.hpp"
#include "inference-server/model/weights_check.hpp"
#include "inference-server/model/weights_file.hpp"

namespace imageclassifier::model {
namespace {

class LoadedModel final : public Model {
 public:
  LoadedModel(ModelInfo info, Manifest manifest, std::unique_ptr<Engine> engine)
      : info_(std::move(info)), manifest_(std::move(manifest)), engine_(std::move(engine)) {}

  const ModelInfo& info() const override { return info_; }
  const Manifest& manifest() const override { return manifest_; }

  Result<Logits> forward(std::span<const preprocess::Input> inputs) override {
    for (const preprocess::Input& input : inputs) {
      if (input.height != manifest_.transform.crop || input.width != manifest_.transform.crop) {
        return fail(ErrorCode::kInvalidArgument, "an input does not have the size that the model's transform makes");
      }
    }
    auto rows = engine_->logits(inputs);
    if (!rows) return tl::unexpected(rows.error());
    return Logits{std::move(*rows)};
  }

 private:
  ModelInfo info_;
  Manifest manifest_;
  std::unique_ptr<Engine> engine_;
};

/// The file's own labels, the configured ones, or numbers, in the other order of precedence.
Result<void> settle_labels(Manifest& manifest, const LoadOptions& options, int classes) {
  if (!options.labels.empty()) {
    manifest.labels = options.labels;
    manifest.wnids = options.wnids;
  }
  if (manifest.labels.empty()) {
    for (int i = 0; i < classes; ++i) manifest.labels.push_back("class " + std::to_string(i));
  }
  if (manifest.labels.size() == static_cast<std::size_t>(classes)) return {};
  return fail(ErrorCode::kInvalidArgument, "there are " + std::to_string(manifest.labels.size()) + " labels, but " +
                                               std::to_string(classes) + " classes in " + options.path);
}

/// Of a file that does not say how its pictures are prepared.
void tell_assumption(const LoadOptions& options) {
  if (options.transform) return;
  log::warning("the model does not say how pictures are prepared",
               {{"model", options.path},
                {"assumed", "imagenet-v2 (shorter side 232 pixels)"},
                {"otherwise", "--preprocessing imagenet-v1 (256)"}});
}

/// Of either kind; the other is empty.
struct Weights {
  int classes = 0;
  TensorBytes tensors;
  std::optional<QuantisedWeights> quantised;
};

Result<Weights> read_weights(const Architecture& architecture, const Safetensors& file, const std::string& precision) {
  if (precision == "int8") {
    auto quantised = read_quantised(architecture, file);
    if (!quantised) return tl::unexpected(quantised.error());
    const int classes = quantised->classes;
    return Weights{classes, {}, std::move(*quantised)};
  }
  auto checked = check_weights(architecture, file);
  if (!checked) return tl::unexpected(checked.error());
  return Weights{checked->classes, std::move(checked->tensors), {}};
}

ModelInfo describe(const LoadOptions& options, const Manifest& manifest, std::string digest,
                   const EngineChoice& choice) {
  ModelInfo info;
  info.name = options.name.empty() ? manifest.architecture : options.name;
  info.version = "1";
  info.architecture = manifest.architecture;
  info.precision = choice.engine->precision();
  info.precision_note = choice.note;
  info.layer_seconds = choice.layer_seconds;
  info.engine = choice.engine->name();
  info.weights_sha256 = std::move(digest);
  info.demo = manifest.weights == "demo";
  return info;
}

struct Built {
  Manifest manifest;
  EngineChoice choice;
};

Result<Built> build(const LoadOptions& options, const Safetensors& file) {
  auto manifest = parse_manifest(file.metadata);
  if (!manifest) return tl::unexpected(manifest.error());
  const auto architecture = find_architecture(manifest->architecture);
  if (!architecture) return tl::unexpected(architecture.error());
  const auto weights = read_weights(*architecture, file, manifest->precision);
  if (!weights) return tl::unexpected(weights.error());
  if (auto labels = settle_labels(*manifest, options, weights->classes); !labels) {
    return tl::unexpected(labels.error());
  }
  if (!file.metadata.contains("resize")) tell_assumption(options);
  const preprocess::TransformSpec transform = options.transform.value_or(manifest->transform);
  auto choice = choose_engine({.architecture = *architecture,
                               .classes = weights->classes,
                               .tensors = weights->tensors,
                               .quantised = weights->quantised ? &*weights->quantised : nullptr,
                               .manifest = *manifest,
                               .side = transform.crop,
                               .engine = options.engine,
                               .precision = options.precision,
                               .threads = options.threads,
                               .lanes = options.lanes,
                               .stages = options.stages});
  if (!choice) return tl::unexpected(choice.error());
  manifest->transform = transform;
  return Built{std::move(*manifest), std::move(*choice)};
}

Result<void> verify_tensors(const Safetensors& file, StartStages* stages) {
  const auto stage = StartStages::begin(stages, "verify_tensors");
  return check_tensors(file);
}

/// The tensors are compared with their checksums beside the rest, too; what a damaged file led to is of no interest.
Result<Built> read_and_build(const LoadOptions& options, std::span<const std::byte> bytes) {
  const auto unusable = [&](const Error& error) {
    return fail(Error(error.code, "the weights file " + options.path + " is unusable", error));
  };
  const auto file = read_weights_file(bytes);
  if (!file) return unusable(file.error());
  auto intact = std::async(std::launch::async, verify_tensors, std::cref(file->content), options.stages);
  auto built = build(options, file->content);
  if (const auto good = intact.get(); !good) return unusable(good.error());
  return built;
}

std::string digest_of(std::span<const std::byte> bytes, StartStages* stages) {
  const auto stage = StartStages::begin(stages, "verify_digest");
  return sha256_hex(bytes);
}

/// Nothing of it is known but what it gives for a picture.
Result<Built> build_script(const LoadOptions& options, std::span<const std::byte> bytes) {
  const auto stage = StartStages::begin(options.stages, "load_torchscript");
  if (options.engine == "onednn") {
    return fail(ErrorCode::kInvalidArgument, "the engine onednn computes no TorchScript programs");
  }
  const auto torch = torch_module();
  if (!torch) return tl::unexpected(torch.error());
  auto engine = (*torch)->load_script(bytes, options.threads);
  if (!engine) return fail(Error(ErrorCode::kInvalidArgument, options.path + " is unusable", engine.error()));
  tell_assumption(options);
  Manifest manifest;
  manifest.architecture = "torchscript";
  manifest.transform = options.transform.value_or(manifest.transform);
  const auto side = static_cast<std::size_t>(manifest.transform.crop);
  const preprocess::Input black{3, manifest.transform.crop, manifest.transform.crop,
                                std::vector<float>(3 * side * side)};
  const auto rows = (*engine)->logits({&black, 1});
  if (!rows) return fail(Error(ErrorCode::kInvalidArgument, options.path + " is unusable", rows.error()));
  const auto classes = static_cast<int>(rows->front().size());
  if (auto labels = settle_labels(manifest, options, classes); !labels) return tl::unexpected(labels.error());
  std::string note;
  if (options.precision == "bfloat16" || options.precision == "int8") {
    note = "a TorchScript program computes in float32 here";
    log::warning("a precision is not used", {{"precision", options.precision}, {"reason", note}});
  }
  return Built{std::move(manifest), {std::move(*engine), std::move(note)}};
}

Result<void> check_digest(const LoadOptions& options, const std::string& digest) {
  if (options.expected_sha256.empty() || digest == options.expected_sha256) return {};
  return fail(ErrorCode::kDataLoss, "the weights file " + options.path + " has the SHA-256 " + digest +
                                        ", not the expected " + options.expected_sha256);
}

/// The digest is taken beside the rest, which is made for files of anybody; nothing is given out before both are done.
/// Code waits for it.
Result<std::unique_ptr<Model>> load(const LoadOptions& options, std::span<const std::byte> bytes) {
  const bool script = options.allow_torchscript && is_torchscript(bytes);
  std::future<std::string> taken = std::async(std::launch::async, digest_of, bytes, options.stages);
  std::optional<Result<Built>> built;
  if (!script) built = read_and_build(options, bytes);
  std::string digest = taken.get();
  // First: what else is wrong with another file than the expected one is of no interest.
  if (auto good = check_digest(options, digest); !good) return tl::unexpected(good.error());
  if (script) built = build_script(options, bytes);
  if (!*built) return tl::unexpected(built->error());
  ModelInfo info = describe(options, (*built)->manifest, std::move(digest), (*built)->choice);
  return std::make_unique<LoadedModel>(std::move(info), std::move((*built)->manifest),
                                       std::move((*built)->choice.engine));
}

}  // namespace

Result<std::unique_ptr<Model>> load_model(const LoadOptions& options) {
  auto model = [&]() -> Result<std::unique_ptr<Model>> {
    auto stage = std::optional(StartStages::begin(options.stages, "map_file"));
    const auto file = MappedFile::open(options.path);
    stage.reset();
    if (!file) return tl::unexpected(file.error());
    return load(options, file->bytes());
  }();
  // Folding and packing leave as much again in the heap, which glibc keeps.
  ::malloc_trim(0);
  return model;
}

}  // namespace imageclassifier::model
