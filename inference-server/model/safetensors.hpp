#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "common/result.hpp"

namespace imageclassifier::model {

/// One tensor of a safetensors file; `data` points into the file and may be unaligned.
struct TensorView {
  std::string dtype;  ///< as in the file: "F32", "BF16", "I64", ...
  std::vector<std::uint64_t> shape;
  std::span<const std::byte> data;  ///< C order, little endian
};

struct Safetensors {
  std::map<std::string, TensorView> tensors;
  std::map<std::string, std::string> metadata;  ///< `__metadata__`
};

/// Parses and fully validates a safetensors file (README and tensor.rs of huggingface/safetensors): header length and
/// its cap of 100,000,000 bytes, JSON without duplicate names, known types, sizes that match the offsets, no hole, no
/// overlap, the whole file covered. Every violation has its own sentence, kInvalidArgument. The views live as long as
/// the bytes. Allocates in proportion to the header only.
Result<Safetensors> parse_safetensors(std::span<const std::byte> file);

/// What write_safetensors stores.
struct FileTensor {
  std::string name;
  std::vector<std::uint64_t> shape;
  std::span<const std::byte> data;  ///< C order, little endian; need not be aligned
  std::string dtype = "F32";
};

/// Whether write_safetensors could write there, for those who work long before they write. kInvalidArgument: a folder;
/// kUnavailable: the reason of the operating system.
Result<void> check_output(const std::string& path);

/// Writes the file in the given order as one without a name in the folder of `path`, so that of several writers the
/// last one's file stays, whole, and nothing of one that is killed; the first tensor aligned to 64 bytes (the format
/// allows no gap between tensors, so the order decides the rest) and with the checksums of checksums.hpp in the
/// metadata. Returns the file's SHA-256, taken while writing. Errors of check_output.
Result<std::string> write_safetensors(const std::string& path, std::span<const FileTensor> tensors,
                                      const std::map<std::string, std::string>& metadata);

}  // namespace imageclassifier::model
