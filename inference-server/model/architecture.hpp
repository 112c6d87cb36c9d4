#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/result.hpp"

namespace imageclassifier::model {

/// A ResNet of torchvision's family (models/resnet.py, "v1.5": the stride is on the 3x3 convolution).
struct Architecture {
  std::string name;
  std::array<int, 4> blocks;  ///< per stage
  bool bottleneck;            ///< 1x1, 3x3, 1x1 instead of two 3x3

  int features() const { return bottleneck ? 2048 : 512; }
};

std::span<const Architecture> known_architectures();

/// resnet18, 34, 50, 101 or 152; kUnsupported names the known ones.
Result<Architecture> find_architecture(const std::string& name);

enum class TensorRole { kConvolution, kScale, kShift, kMean, kVariance, kHeadWeight, kHeadBias };

struct TensorSpec {
  std::string name;  ///< as in torchvision's state_dict
  std::vector<std::uint64_t> shape;
  TensorRole role;

  std::uint64_t elements() const;
  /// Learned by training, as torchvision counts parameters; batch-norm statistics are not.
  bool is_parameter() const { return role != TensorRole::kMean && role != TensorRole::kVariance; }
};

/// Every tensor that a weights file must hold, in torchvision's order with the head last; `num_batches_tracked`, which
/// inference does not need, is left out.
std::vector<TensorSpec> tensors_of(const Architecture& architecture, int classes);

}  // namespace imageclassifier::model
