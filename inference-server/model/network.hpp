#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "inference-server/model/architecture.hpp"
#include "inference-server/preprocess/preprocess.hpp"

namespace imageclassifier::model {

/// float32 bytes of a tensor by its name; the caller has checked that every tensor of tensors_of is there. The data
/// need not be aligned and are copied.
using TensorBytes = std::map<std::string, std::span<const std::byte>>;

using Rows = std::vector<std::vector<float>>;

/// A ResNet for inference in LibTorch, batch norms folded into the convolutions. One thread at a time. Exceptions of
/// LibTorch become kInternal.
class Network {
 public:
  /// `threads` serve every network of the process (LibTorch has one pool); 0: usable_cores().
  static Result<Network> build(const Architecture& architecture, int classes, const TensorBytes& tensors,
                               int threads = 0);
  Network(Network&&) noexcept;
  Network& operator=(Network&&) noexcept;
  ~Network();

  /// One row of logits per input. All inputs have the same size.
  Result<Rows> logits(std::span<const preprocess::Input> inputs) const;
  /// The pooled activations in front of the head.
  Result<Rows> features(std::span<const preprocess::Input> inputs) const;

 private:
  struct Impl;
  explicit Network(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Runs the inputs as one batch through the unfolded network, taking each batch norm's mean and variance from the batch
/// itself before the next layer is computed. Returns the `running_mean` and `running_var` tensors by name; the ones
/// given are not looked at. `on_layer` is called after each batch norm with its name.
Result<std::map<std::string, std::vector<float>>> measure_batch_norms(
    const Architecture& architecture, int classes, const TensorBytes& tensors,
    std::span<const preprocess::Input> inputs, const std::function<void(const std::string&)>& on_layer = {});

}  // namespace imageclassifier::model
