#pragma once

#include <vector>

#include "inference-server/model/architecture.hpp"
#include "inference-server/model/engine.hpp"

namespace imageclassifier::model {

/// A convolution that computes its batch norm, too.
struct FoldedUnit {
  std::vector<float> weight;  ///< out x in x kernel x kernel
  std::vector<float> bias;    ///< out
};

/// Computed in double precision, with the epsilon of torch.nn.BatchNorm2d (1e-5), by as many OpenMP threads as the
/// caller has set.
FoldedUnit fold(const Unit& unit, const TensorBytes& tensors);
/// The same in memory that is there already, which saves most of the time where there are many units.
void fold(const Unit& unit, const TensorBytes& tensors, FoldedUnit& folded);

/// A copy of a tensor's values, whatever the alignment of its bytes.
std::vector<float> to_floats(std::span<const std::byte> bytes);

}  // namespace imageclassifier::model
