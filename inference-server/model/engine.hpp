#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "inference-server/preprocess/preprocess.hpp"

namespace imageclassifier::model {

/// float32 bytes of a tensor by its name; the caller has checked that every tensor of tensors_of is there. The data
/// need not be aligned and are copied.
using TensorBytes = std::map<std::string, std::span<const std::byte>>;

using Rows = std::vector<std::vector<float>>;

/// A network of the ResNet family, ready to compute, for as many threads at a time as it was built with lanes, which
/// may change between calls; exceptions of the library behind it become kInternal.
class Engine {
 public:
  virtual ~Engine() = default;
  virtual std::string name() const = 0;       ///< "onednn" or "libtorch"
  virtual std::string precision() const = 0;  ///< "float32"
  /// One row per input, one value per class, before softmax; any number of inputs, all of the same size.
  virtual Result<Rows> logits(std::span<const preprocess::Input> inputs) = 0;
  /// The pooled activations in front of the head, one row per input.
  virtual Result<Rows> features(std::span<const preprocess::Input> inputs) = 0;
};

}  // namespace imageclassifier::model
