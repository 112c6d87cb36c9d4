#include "inference-server/protocol/v2_binary.hpp"

#include <bit>
#include <cstdint>
#include <cstring>

namespace imageclassifier::protocol {

static_assert(std::endian::native == std::endian::little, "tensors are copied as they are");

std::optional<std::vector<std::string_view>> split_v2_bytes(std::string_view bytes, std::size_t count) {
  constexpr std::size_t kPrefix = sizeof(std::uint32_t);
  if (count > bytes.size() / kPrefix) return std::nullopt;
  std::vector<std::string_view> elements;
  elements.reserve(count);
  while (elements.size() < count) {
    if (bytes.size() < kPrefix) return std::nullopt;
    std::uint32_t length = 0;
    std::memcpy(&length, bytes.data(), kPrefix);
    bytes.remove_prefix(kPrefix);
    if (length > bytes.size()) return std::nullopt;
    elements.push_back(bytes.substr(0, length));
    bytes.remove_prefix(length);
  }
  if (!bytes.empty()) return std::nullopt;
  return elements;
}

void append_v2_bytes(std::string& out, std::string_view element) {
  const auto length = static_cast<std::uint32_t>(element.size());
  out.append(reinterpret_cast<const char*>(&length), sizeof length);
  out.append(element);
}

std::optional<std::vector<float>> split_v2_floats(std::string_view bytes) {
  if (bytes.size() % sizeof(float) != 0) return std::nullopt;
  std::vector<float> values(bytes.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

void append_v2_floats(std::string& out, std::span<const float> values) {
  out.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
}

}  // namespace imageclassifier::protocol
