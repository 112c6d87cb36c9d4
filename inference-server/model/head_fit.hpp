#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "inference-server/model/architecture.hpp"
#include "inference-server/model/engine.hpp"
#include "inference-server/model/linear_head.hpp"
#include "inference-server/model/model.hpp"

namespace imageclassifier::model {

/// What the head is fitted to: the frozen backbone's features of pictures whose class is known.
struct LabelledFeatures {
  Rows rows;
  std::vector<int> classes;  ///< one per row
};

/// Pictures one after the other, so that never more than a batch of them is in memory.
struct PictureSource {
  std::size_t count = 0;
  std::function<int(std::size_t)> class_of;
  std::function<Result<std::optional<preprocess::Input>>(std::size_t)> read;              ///< nothing: left out
  std::function<void(std::size_t done, std::size_t count)> progress = [](auto, auto) {};  ///< after each batch
};

/// Errors of the source and of the engine.
Result<LabelledFeatures> compute_features(Engine& backbone, const PictureSource& pictures);

struct FittedHead {
  LinearHead head;
  double temperature = 1;                   ///< calibrated on the held-out pictures
  double top1 = 0;                          ///< share of the held-out pictures that are right
  std::vector<std::vector<int>> confusion;  ///< of the held-out pictures: row: what it is, column: what it is taken for
};

/// Fits the head to one set and judges it on the other, which may be empty. Errors of fit_linear_head.
Result<FittedHead> fit_and_judge(const LabelledFeatures& fitted, const LabelledFeatures& held_out, int class_count);

/// The engine that computes the features: the fastest that proves itself.
Result<std::unique_ptr<Engine>> build_backbone(const Architecture& architecture, int classes,
                                               const TensorBytes& tensors, const Manifest& manifest, int threads);

/// Writes a model of the backbone's tensors (all but the head), the head and the manifest, to which temperature and
/// reference logits are added; as many classes as the manifest has labels. Returns the file's SHA-256.
Result<std::string> write_fitted_model(const std::string& path, const Architecture& architecture, TensorBytes tensors,
                                       const FittedHead& head, Manifest manifest);

}  // namespace imageclassifier::model
