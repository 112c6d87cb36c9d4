#pragma once

#include <cstdint>
#include <vector>

#include "inference-server/model/architecture.hpp"
#include "inference-server/model/engine.hpp"
#include "inference-server/model/model.hpp"

namespace imageclassifier::model {

/// How many pictures a new model file is proven on: one goes through every weight and every kernel, and its proof is
/// most of what a start takes.
inline constexpr std::size_t kReferencePictures = 1;

/// Pictures of coloured planes with gradients, noise and edges, in whole numbers up to the normalisation, so that every
/// machine makes the same ones from the seed. crop x crop pixels, as the transform would hand them to the network.
std::vector<preprocess::Input> reference_inputs(const preprocess::TransformSpec& transform, std::uint64_t seed,
                                                std::size_t count);

/// The logits that a weights file carries so that whoever loads it can prove an engine without a second one: computed
/// by LibTorch where it can be loaded, else by oneDNN.
Result<ReferenceLogits> make_reference_logits(const Architecture& architecture, int classes, const TensorBytes& tensors,
                                              const preprocess::TransformSpec& transform);

/// The largest difference of any logit, as a share of the largest reference logit of its row; infinity when the shapes
/// differ or a value is not finite.
double relative_difference(const Rows& rows, const Rows& reference);

}  // namespace imageclassifier::model
