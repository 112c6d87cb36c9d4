#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "inference-server/model/architecture.hpp"
#include "inference-server/model/engine.hpp"
#include "inference-server/model/safetensors.hpp"
#include "inference-server/model/seeded_weights.hpp"

namespace imageclassifier::model {

/// A convolution with its batch norm, or the head, whose weights are whole numbers: weight = scale * number, one scale
/// per output channel, symmetric around zero.
struct QuantisedLayer {
  std::span<const std::int8_t> weight;  ///< out x in x kernel x kernel, -127 to 127
  std::vector<float> scale;             ///< out
  std::vector<float> bias;              ///< out, not quantised
};

/// Every layer of a network by its convolution's name; the head is "fc".
struct QuantisedWeights {
  int classes = 0;
  std::map<std::string, QuantisedLayer> layers;
  std::vector<std::vector<std::int8_t>> storage;  ///< of the numbers, when no file holds them
};

/// Rounds each channel's weights to the nearest of 255 numbers (the stem: of 127 even ones) up to its largest
/// magnitude.
QuantisedWeights quantise(const Architecture& architecture, int classes, const TensorBytes& tensors);

/// The same network for engines that compute with float32: identical batch norms behind rounded weights.
WeightMap dequantise(const Architecture& architecture, const QuantisedWeights& weights);

/// The layers of a file that write_quantised made; they point into the file. kInvalidArgument names the tensor that is
/// missing, has another shape or type, does not belong to the architecture or has a scale that is no number above 0.
Result<QuantisedWeights> read_quantised(const Architecture& architecture, const Safetensors& file);

/// Writes `NAME.weight` (I8), `NAME.weight_scale` and `NAME.bias` (F32) of every layer. Returns the file's SHA-256.
Result<std::string> write_quantised(const std::string& path, const Architecture& architecture,
                                    const QuantisedWeights& weights,
                                    const std::map<std::string, std::string>& metadata);

}  // namespace imageclassifier::model
