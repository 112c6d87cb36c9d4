#pragma once

#include <functional>
#include <memory>

#include "inference-server/model/architecture.hpp"
#include "inference-server/model/engine.hpp"

namespace imageclassifier::model {

struct OnednnOptions {
  int side = 224;   ///< of the square inputs that it must be fast for, pixels; others are computed, too
  int threads = 0;  ///< of each lane, set in the thread that computes (OpenMP's count is per thread); 0: usable_cores()
  int lanes = 1;
  bool bfloat16 = false;  ///< products in bfloat16, sums in float32
};

/// The result of a unit, by its convolution's name, with the ReLU behind it, and as "fc" what the head is given; in no
/// particular order of its numbers.
using ActivationObserver = std::function<void(const std::string& unit, std::span<const float> values)>;

/// A ResNet lowered to oneDNN primitives: batch norm, ReLU and the residual sum are part of the convolutions, every
/// tensor has the layout that its convolution is fastest with. Weights are packed once, primitives are made for the
/// parts of 1, 2, 4 ... largest_part() inputs of the expected size, for other sizes when they are first computed, and
/// kept; all of a lane share one block of memory for activations. Batches are computed in such parts.
class OnednnNetwork final : public Engine {
 public:
  /// Inputs that are computed together by so many threads (0: usable_cores()): an input takes some 10 MB while it is
  /// computed, and few threads are as busy with few inputs.
  static std::size_t largest_part(int threads);

  /// kUnsupported: bfloat16 on a processor (or ONEDNN_MAX_CPU_ISA) without instructions for it.
  static Result<std::unique_ptr<OnednnNetwork>> build(const Architecture& architecture, int classes,
                                                      const TensorBytes& tensors, const OnednnOptions& options);
  ~OnednnNetwork() override;

  std::string name() const override { return "onednn"; }
  std::string precision() const override;
  Result<Rows> logits(std::span<const preprocess::Input> inputs) override;
  Result<Rows> features(std::span<const preprocess::Input> inputs) override;
  /// Computes one input and shows every unit's result while it is there; float32 only.
  Result<void> observe(const preprocess::Input& input, const ActivationObserver& observer);

 private:
  struct Impl;
  explicit OnednnNetwork(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace imageclassifier::model
