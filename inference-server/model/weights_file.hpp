#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "common/result.hpp"
#include "inference-server/model/architecture.hpp"
#include "inference-server/model/engine.hpp"
#include "inference-server/model/model.hpp"
#include "inference-server/model/safetensors.hpp"
#include "inference-server/model/torch_archive.hpp"

namespace imageclassifier::model {

/// Reads a safetensors file, or a `.pth` file of torch.save, by what its bytes begin with. A file that does not say
/// its architecture gets the one that its tensors have, in `metadata`. Errors: parse_safetensors, parse_torch_file.
Result<NamedTensors> read_weights_file(std::span<const std::byte> file);

/// The same, and every tensor is read and compared with its checksum, which takes as long as reading the memory.
Result<NamedTensors> read_intact_weights_file(std::span<const std::byte> file);

/// Writes a safetensors file with the tensors in tensors_of order and the manifest; returns its SHA-256. kInternal: a
/// tensor is missing or has another size; errors of write_safetensors.
Result<std::string> write_weights(const std::string& path, const Architecture& architecture, int classes,
                                  const TensorBytes& tensors, const Manifest& manifest);

/// The architecture whose blocks the tensors make, by their names alone. kInvalidArgument: none.
Result<Architecture> recognise_architecture(const Safetensors& file);

}  // namespace imageclassifier::model
