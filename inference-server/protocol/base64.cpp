#include "inference-server/protocol/base64.hpp"

#include <array>
#include <cstdint>

namespace imageclassifier::protocol {
namespace {

constexpr std::uint32_t kInvalid = 1U << 24;  // above what four digits make

constexpr std::array<std::uint32_t, 256> kDigits = [] {
  std::array<std::uint32_t, 256> digits{};
  digits.fill(kInvalid);
  const std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    digits[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint32_t>(i);
  }
  return digits;
}();

std::uint32_t digit(char c) {
  return kDigits[static_cast<unsigned char>(c)];
}

}  // namespace

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && text.ends_with('=')) {
    text.remove_suffix(1);
    ++padding;
  }
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 2);
  std::size_t i = 0;
  for (; i + 4 <= text.size(); i += 4) {
    const std::uint32_t first = digit(text[i]);
    const std::uint32_t second = digit(text[i + 1]);
    const std::uint32_t third = digit(text[i + 2]);
    const std::uint32_t fourth = digit(text[i + 3]);
    if (((first | second | third | fourth) & kInvalid) != 0) return std::nullopt;
    const std::uint32_t all = first << 18 | second << 12 | third << 6 | fourth;
    bytes += static_cast<char>(all >> 16);
    bytes += static_cast<char>(all >> 8 & 255);
    bytes += static_cast<char>(all & 255);
  }
  if (padding == 0) return bytes;
  std::uint32_t all = 0;
  for (std::size_t j = i; j < text.size(); ++j) {
    const std::uint32_t value = digit(text[j]);
    if (value == kInvalid) return std::nullopt;
    all = all << 6 | value;
  }
  all <<= 6 * padding;
  if ((all & (padding == 2 ? 0xFFFFU : 0xFFU)) != 0) return std::nullopt;
  bytes += static_cast<char>(all >> 16);
  if (padding == 1) bytes += static_cast<char>(all >> 8 & 255);
  return bytes;
}

}  // namespace imageclassifier::protocol
