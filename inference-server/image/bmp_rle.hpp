#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "inference-server/image/formats.hpp"

namespace imageclassifier::image {

enum class Rle { k8, k4 };

/// The pixels of a run-length encoded BMP (Microsoft's "Bitmap Compression", BI_RLE8 and BI_RLE4) as one index a byte,
/// width * height of them, rows in the order of the file; what is skipped over is 0, what runs beyond its row is cut.
/// Nothing behind the last pixel is needed. kTruncated: the data ends before.
DecodeResult<std::vector<std::uint8_t>> expand_rle(std::span<const std::byte> data, Rle kind, std::size_t width,
                                                   std::size_t height);

}  // namespace imageclassifier::image
