// Both picture decoders: what decodes has the size that the header declared and that many bytes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "inference-server/image/decoder.hpp"

using namespace imageclassifier::image;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto file = std::as_bytes(std::span(data, size));
  DecodeLimits limits;
  limits.max_pixels = 200'000;
  const auto probed = probe(file, limits);
  const auto decoded = decode(file, limits);
  if (!decoded) return decoded.error().message.empty() ? (std::abort(), 0) : 0;
  if (!probed || probed->width != decoded->image.width || probed->height != decoded->image.height) std::abort();
  const auto pixels = static_cast<std::size_t>(decoded->image.width) * static_cast<std::size_t>(decoded->image.height);
  if (pixels > limits.max_pixels || decoded->image.pixels.size() != pixels * 3) std::abort();
  return 0;
}
