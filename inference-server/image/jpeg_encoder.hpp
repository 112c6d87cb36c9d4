#pragma once

#include <cstddef>
#include <vector>

#include "inference-server/image/decoder.hpp"

namespace imageclassifier::image {

/// A baseline JPEG of the picture, 4:2:0, quality 1..100 (clamped). Empty when the encoder refuses, which it does only
/// for sides of 0 or over 65,500. Used for the drawn demo pictures; the server itself only decodes.
std::vector<std::byte> encode_jpeg(const Image& image, int quality);

}  // namespace imageclassifier::image
