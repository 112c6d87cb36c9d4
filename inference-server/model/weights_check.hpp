#pragma once

#include <map>
#include <span>
#include <string>

#include "common/result.hpp"
#include "inference-server/model/architecture.hpp"
#include "inference-server/model/safetensors.hpp"

namespace imageclassifier::model {

struct CheckedWeights {
  int classes = 0;                                            ///< rows of the head
  std::map<std::string, std::span<const std::byte>> tensors;  ///< float32, every tensor of tensors_of
};

/// Every tensor of the architecture is there with its type and shape and nothing else is (`num_batches_tracked` may
/// be). kInvalidArgument names the tensor.
Result<CheckedWeights> check_weights(const Architecture& architecture, const Safetensors& file);

}  // namespace imageclassifier::model
