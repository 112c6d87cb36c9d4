#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "common/result.hpp"
#include "inference-server/model/safetensors.hpp"
#include "inference-server/model/zip_archive.hpp"

namespace imageclassifier::model {

/// Tensors of a file of either format.
struct NamedTensors {
  Safetensors content;
  std::vector<std::vector<std::byte>> copies;  ///< where a view does not point into the file: not in C order there
};

/// Whether the bytes begin as torch.save writes a file: a ZIP archive, or the older format's magic number.
bool is_torch_file(std::span<const std::byte> file);

/// Whether it is a file of torch.jit.save: code and weights. Nothing in it is run.
bool is_torchscript(std::span<const std::byte> file);

/// Reads the state_dict that torch.save wrote (torch/serialization.py: _save and _legacy_save), without running
/// anything in it: see read_pickle. Every storage, offset, size and stride is checked against the data. Views live as
/// long as the bytes and the result. kInvalidArgument: damaged, not a state_dict, big endian; kUnsupported: holds more
/// than tensors, for example a whole module or TorchScript; the sentence says what to save instead.
Result<NamedTensors> parse_torch_file(std::span<const std::byte> file, ZipChecksums checksums = ZipChecksums::kCheck);

}  // namespace imageclassifier::model
