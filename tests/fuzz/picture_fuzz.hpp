#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "inference-server/image/decoder.hpp"

namespace imageclassifier::fuzz {

/// What must hold of any bytes: refused with a sentence, or as large as the header said, at full scale as at a reduced
/// one. Where `magic` is given, bytes that begin otherwise are left alone, so that one decoder is met.
inline void try_picture(std::span<const std::byte> file, std::string_view magic = {}) {
  if (file.size() < magic.size()) return;
  for (std::size_t i = 0; i < magic.size(); ++i) {
    if (static_cast<char>(file[i]) != magic[i]) return;
  }
  image::DecodeLimits limits;
  limits.max_pixels = 200'000;
  const auto probed = image::probe(file, limits);
  for (const int least : {0, 8}) {
    image::DecodeOptions options;
    options.least_shorter_side = least;
    options.composite_alpha = least == 0;
    const auto decoded = image::decode(file, limits, options);
    if (!decoded) {
      if (decoded.error().message.empty()) std::abort();
      continue;
    }
    const image::Image& image = decoded->image;
    const image::Extent& extent = decoded->extent;
    if (!probed || probed->width != decoded->info.width || probed->height != decoded->info.height) std::abort();
    if (least == 0 && (image.width != probed->width || image.height != probed->height)) std::abort();
    if (image.width > probed->width || image.height > probed->height || image.width < 1 || image.height < 1)
      std::abort();
    const auto pixels = static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height);
    if (pixels > limits.max_pixels || image.pixels.size() != pixels * 3) std::abort();
    if (extent.x < 0 || extent.y < 0 || extent.width <= 0 || extent.height <= 0 ||
        extent.x + extent.width > image.width || extent.y + extent.height > image.height) {
      std::abort();
    }
  }
}

}  // namespace imageclassifier::fuzz
