#pragma once

#include <array>
#include <cstdint>
#include <optional>
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

/// A square convolution without bias and the batch norm behind it, by the names of both in torchvision's state_dict.
struct Unit {
  std::string convolution;
  std::string norm;
  int out;  ///< channels
  int in;   ///< channels
  int kernel;
  int stride;
  int padding;
};

/// relu(body(x) + x), or with the shortcut's projection of x; ReLU also between the body's units.
struct Block {
  std::vector<Unit> body;
  std::optional<Unit> shortcut;
};

/// relu(stem), max pool 3x3 with stride 2 and padding 1, blocks, mean over the plane, linear head.
struct Topology {
  Unit stem;
  std::vector<Block> blocks;
};

Topology topology_of(const Architecture& architecture);

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
