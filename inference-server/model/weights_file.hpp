#pragma once

#include <cstddef>
#include <span>

#include "common/result.hpp"
#include "inference-server/model/architecture.hpp"
#include "inference-server/model/safetensors.hpp"
#include "inference-server/model/torch_archive.hpp"

namespace imageclassifier::model {

/// Reads a safetensors file, or a `.pth` file of torch.save, by what its bytes begin with. A file that does not say
/// its architecture gets the one that its tensors have, in `metadata`. Errors: parse_safetensors, parse_torch_file.
Result<NamedTensors> read_weights_file(std::span<const std::byte> file);

/// The architecture whose blocks the tensors make, by their names alone. kInvalidArgument: none.
Result<Architecture> recognise_architecture(const Safetensors& file);

}  // namespace imageclassifier::model
