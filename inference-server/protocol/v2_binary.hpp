#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// The binary tensor data extension of the Open Inference Protocol: little-endian, row-major.
namespace imageclassifier::protocol {

/// The elements of a BYTES tensor, each its length (32 bits) and its bytes; nothing unless there are exactly `count`
/// and no byte is left over. They point into `bytes`.
std::optional<std::vector<std::string_view>> split_v2_bytes(std::string_view bytes, std::size_t count);
void append_v2_bytes(std::string& out, std::string_view element);

/// FP32; nothing when a piece of a number is left over.
std::optional<std::vector<float>> split_v2_floats(std::string_view bytes);
void append_v2_floats(std::string& out, std::span<const float> values);

}  // namespace imageclassifier::protocol
