#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "inference-server/model/architecture.hpp"
#include "inference-server/model/engine.hpp"

namespace imageclassifier::model {

/// Tensors by torchvision's names.
using WeightMap = std::map<std::string, std::vector<float>>;

/// Weights that depend on the seed and the tensor's name alone: integers from SplitMix64 and single IEEE operations,
/// so that every machine makes the same bytes. Convolutions are scaled to keep the signal (He, fan-in), the last
/// batch norm of a block is small, statistics and shifts vary, so that no logit is degenerate.
WeightMap make_seeded_weights(const Architecture& architecture, int classes, std::uint64_t seed);

/// Views that live as long as the weights stay as they are.
TensorBytes as_bytes(const WeightMap& weights);

}  // namespace imageclassifier::model
