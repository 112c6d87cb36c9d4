#pragma once

#include <cstdint>

#include "inference-server/image/formats.hpp"

namespace imageclassifier::image {

/// What a PNG's chunk list says without inflating anything (PNG 3rd edition: IHDR, eXIf, acTL, tRNS).
struct PngSummary {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  bool alpha = false;   ///< an alpha channel, or tRNS
  int orientation = 1;  ///< of eXIf
  int frames = 1;       ///< of acTL (APNG)
};

/// Walks the chunks by their lengths; stops quietly where the file ends after IHDR. kTruncated or kCorrupt when IHDR
/// is not complete and first. CRCs are left to the decoder.
DecodeResult<PngSummary> read_png_chunks(std::span<const std::byte> file);

}  // namespace imageclassifier::image
