#pragma once

#include "inference-server/image/decoder.hpp"

namespace imageclassifier::image {

/// Orientations 5..8 swap width and height.
inline bool orientation_swaps_sides(int orientation) {
  return orientation >= 5 && orientation <= 8;
}

/// The upright picture for an EXIF orientation 1..8, as Pillow's ImageOps.exif_transpose; 1 returns it unchanged.
Image make_upright(Image image, int orientation);

}  // namespace imageclassifier::image
