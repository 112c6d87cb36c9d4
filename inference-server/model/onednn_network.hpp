#pragma once

#include <memory>

#include "inference-server/model/architecture.hpp"
#include "inference-server/model/engine.hpp"

namespace imageclassifier::model {

/// A ResNet lowered to oneDNN primitives: batch norm, ReLU and the residual sum are part of the convolutions, every
/// tensor has the layout that its convolution is fastest with. Weights are packed once, primitives are made for each
/// batch size when it is first computed and kept; all batch sizes share one block of memory for activations. Larger
/// batches are computed in parts of kMaxBatch.
class OnednnNetwork final : public Engine {
 public:
  static constexpr std::size_t kMaxBatch = 8;

  /// `side` of the square inputs that it must be fast for, in pixels; others are computed, too. `threads`, 0:
  /// usable_cores(), are set in the thread that computes (OpenMP's count is per thread).
  static Result<std::unique_ptr<Engine>> build(const Architecture& architecture, int classes,
                                               const TensorBytes& tensors, int side, int threads = 0);
  ~OnednnNetwork() override;

  std::string name() const override { return "onednn"; }
  std::string precision() const override { return "float32"; }
  Result<Rows> logits(std::span<const preprocess::Input> inputs) override;
  Result<Rows> features(std::span<const preprocess::Input> inputs) override;

 private:
  struct Impl;
  explicit OnednnNetwork(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace imageclassifier::model
