#include "inference-server/image/png_chunks.hpp"

#include <algorithm>
#include <string_view>

#include "inference-server/image/exif.hpp"

namespace imageclassifier::image {
namespace {

constexpr std::size_t kSignatureSize = 8;
constexpr std::size_t kChunkOverhead = 12;  // length, type, CRC
constexpr std::uint32_t kMaxToldFrames = 1'000'000;

std::uint32_t big_endian_32(std::span<const std::byte> bytes) {
  std::uint32_t value = 0;
  for (const std::byte byte : bytes.first(4)) value = (value << 8) | std::to_integer<std::uint32_t>(byte);
  return value;
}

struct Chunk {
  std::string_view type;
  std::span<const std::byte> data;
};

/// Takes the next complete chunk off the front; an empty type means there is none.
Chunk next_chunk(std::span<const std::byte>& rest) {
  if (rest.size() < kChunkOverhead) return {};
  const std::size_t length = big_endian_32(rest);
  if (length > rest.size() - kChunkOverhead) return {};
  const Chunk chunk{{reinterpret_cast<const char*>(rest.data()) + 4, 4}, rest.subspan(8, length)};
  rest = rest.subspan(kChunkOverhead + length);
  return chunk;
}

}  // namespace

DecodeResult<PngSummary> read_png_chunks(std::span<const std::byte> file) {
  auto rest = file.subspan(std::min(kSignatureSize, file.size()));
  const Chunk header = next_chunk(rest);
  if (header.type.empty()) return refuse(DecodeFailure::kTruncated, std::string(kTruncatedMessage));
  if (header.type != "IHDR" || header.data.size() != 13) {
    return refuse(DecodeFailure::kCorrupt, std::string(kCorruptMessage));
  }
  PngSummary summary;
  summary.width = big_endian_32(header.data);
  summary.height = big_endian_32(header.data.subspan(4));
  summary.alpha = (std::to_integer<unsigned>(header.data[9]) & 4U) != 0;
  for (Chunk chunk = next_chunk(rest); !chunk.type.empty() && chunk.type != "IEND"; chunk = next_chunk(rest)) {
    if (chunk.type == "tRNS") summary.alpha = true;
    if (chunk.type == "eXIf") summary.orientation = exif_orientation(chunk.data);
    if (chunk.type == "acTL" && chunk.data.size() == 8) {
      summary.frames = static_cast<int>(std::clamp(big_endian_32(chunk.data), 1U, kMaxToldFrames));
    }
  }
  return summary;
}

}  // namespace imageclassifier::image
