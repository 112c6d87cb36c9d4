#pragma once

#include <map>
#include <memory>
#include <string>

#include "inference-server/model/architecture.hpp"
#include "inference-server/model/engine.hpp"
#include "inference-server/model/quantising.hpp"

namespace imageclassifier::model {

/// As in Calibration.
using ActivationRanges = std::map<std::string, float>;

struct Int8Options {
  int side = 224;   ///< of the square inputs, pixels; no other size is computed
  int threads = 0;  ///< of each lane, set in the thread that computes; 0: usable_cores()
  int lanes = 1;
};

/// A ResNet computed in 8-bit numbers by oneDNN: pictures and shortcuts signed, everything behind a ReLU from 0 to 127
/// (so that no instruction set overflows and one calibration holds for all), sums
/// in 32 bits, each unit's scaling, batch norm, residual sum and ReLU in one step. The mean before the head and the
/// logits are float32.
class OnednnInt8Network final : public Engine {
 public:
  static constexpr std::size_t kMaxBatch = 8;

  /// Nothing of the weights is needed afterwards. kInvalidArgument: a range is missing or no number above 0;
  /// kUnsupported: oneDNN has no fast 8-bit convolution for this processor.
  static Result<std::unique_ptr<OnednnInt8Network>> build(const Architecture& architecture,
                                                          const QuantisedWeights& weights,
                                                          const ActivationRanges& ranges, const Int8Options& options);
  ~OnednnInt8Network() override;

  std::string name() const override { return "onednn"; }
  std::string precision() const override { return "int8"; }
  Result<Rows> logits(std::span<const preprocess::Input> inputs) override;
  Result<Rows> features(std::span<const preprocess::Input> inputs) override;

 private:
  struct Impl;
  explicit OnednnInt8Network(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace imageclassifier::model
