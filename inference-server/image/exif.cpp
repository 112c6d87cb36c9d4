#include "inference-server/image/exif.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

namespace imageclassifier::image {
namespace {

constexpr std::uint16_t kOrientationTag = 0x0112;
constexpr std::uint16_t kShortType = 3;
constexpr std::size_t kEntrySize = 12;

/// Bounds-checked integers in the block's own byte order.
class TiffReader {
 public:
  explicit TiffReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  bool read_byte_order() {
    if (bytes_.size() < 8) return false;
    const auto first = std::to_integer<char>(bytes_[0]);
    if (first != std::to_integer<char>(bytes_[1]) || (first != 'I' && first != 'M')) return false;
    big_endian_ = first == 'M';
    return true;
  }

  std::optional<std::uint32_t> integer(std::size_t offset, std::size_t size) const {
    if (offset > bytes_.size() || bytes_.size() - offset < size) return std::nullopt;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
      const std::size_t at = offset + (big_endian_ ? i : size - 1 - i);
      value = (value << 8) | std::to_integer<std::uint32_t>(bytes_[at]);
    }
    return value;
  }

 private:
  std::span<const std::byte> bytes_;
  bool big_endian_ = false;
};

}  // namespace

int exif_orientation(std::span<const std::byte> tiff) {
  TiffReader reader(tiff);
  if (!reader.read_byte_order() || reader.integer(2, 2) != 42U) return 1;
  const auto directory = reader.integer(4, 4);
  if (!directory) return 1;
  const auto count = reader.integer(*directory, 2);
  if (!count) return 1;
  for (std::size_t i = 0; i < *count; ++i) {
    const std::size_t entry = std::size_t{*directory} + 2 + i * kEntrySize;
    const auto tag = reader.integer(entry, 2);
    if (!tag) return 1;
    if (*tag != kOrientationTag) continue;
    const auto value = reader.integer(entry + 8, 2);
    if (reader.integer(entry + 2, 2) != kShortType || !value || *value < 1 || *value > 8) return 1;
    return static_cast<int>(*value);
  }
  return 1;
}

int exif_orientation_of_app1(std::span<const std::byte> payload) {
  constexpr std::array<char, 6> kPrefix{'E', 'x', 'i', 'f', '\0', '\0'};
  const auto matches = [](char expected, std::byte found) { return std::to_integer<char>(found) == expected; };
  if (payload.size() < kPrefix.size() || !std::equal(kPrefix.begin(), kPrefix.end(), payload.begin(), matches)) {
    return 1;
  }
  return exif_orientation(payload.subspan(kPrefix.size()));
}

}  // namespace imageclassifier::image
