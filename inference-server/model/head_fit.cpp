#include "inference-server/model/head_fit.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "inference-server/model/engine_choice.hpp"
#include "inference-server/model/reference_logits.hpp"
#include "inference-server/model/weights_file.hpp"

namespace imageclassifier::model {

Result<LabelledFeatures> compute_features(Engine& backbone, const PictureSource& pictures) {
  constexpr std::size_t kBatch = 8;
  LabelledFeatures features;
  std::vector<preprocess::Input> batch;
  for (std::size_t n = 0; n < pictures.count; ++n) {
    auto input = pictures.read(n);
    if (!input) return tl::unexpected(input.error());
    if (*input) {
      batch.push_back(std::move(**input));
      features.classes.push_back(pictures.class_of(n));
    }
    if (batch.size() < kBatch && n + 1 < pictures.count) continue;
    if (!batch.empty()) {
      auto rows = backbone.features(batch);
      if (!rows) return tl::unexpected(rows.error());
      std::move(rows->begin(), rows->end(), std::back_inserter(features.rows));
      batch.clear();
    }
    pictures.progress(n + 1, pictures.count);
  }
  return features;
}

Result<FittedHead> fit_and_judge(const LabelledFeatures& fitted, const LabelledFeatures& held_out, int class_count) {
  auto head = fit_linear_head(fitted.rows, fitted.classes, class_count);
  if (!head) return tl::unexpected(head.error());
  FittedHead result;
  result.head = std::move(*head);
  const auto size = static_cast<std::size_t>(class_count);
  result.confusion.assign(size, std::vector<int>(size, 0));
  const Rows logits = apply_head(result.head, held_out.rows);
  int right = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const auto best = std::max_element(logits[i].begin(), logits[i].end()) - logits[i].begin();
    ++result.confusion[static_cast<std::size_t>(held_out.classes[i])][static_cast<std::size_t>(best)];
    if (best == held_out.classes[i]) ++right;
  }
  if (!logits.empty()) result.top1 = static_cast<double>(right) / static_cast<double>(logits.size());
  result.temperature = calibrate_temperature(logits, held_out.classes);
  return result;
}

Result<std::unique_ptr<Engine>> build_backbone(const Architecture& architecture, int classes,
                                               const TensorBytes& tensors, const Manifest& manifest, int threads) {
  auto choice = choose_engine({.architecture = architecture,
                               .classes = classes,
                               .tensors = tensors,
                               .quantised = nullptr,
                               .manifest = manifest,
                               .side = manifest.transform.crop,
                               .engine = "auto",
                               .precision = "float32",
                               .threads = threads});
  if (!choice) return tl::unexpected(choice.error());
  return std::move(choice->engine);
}

Result<std::string> write_fitted_model(const std::string& path, const Architecture& architecture, TensorBytes tensors,
                                       const FittedHead& head, Manifest manifest) {
  tensors["fc.weight"] = std::as_bytes(std::span(head.head.weight));
  tensors["fc.bias"] = std::as_bytes(std::span(head.head.bias));
  manifest.temperature = head.temperature;
  const auto classes = static_cast<int>(manifest.labels.size());
  auto reference = make_reference_logits(architecture, classes, tensors, manifest.transform);
  if (!reference) return tl::unexpected(reference.error());
  manifest.reference = std::move(*reference);
  return write_weights(path, architecture, classes, tensors, manifest);
}

}  // namespace imageclassifier::model
