#pragma once

#include "inference-server/image/decoder.hpp"

namespace imageclassifier::image {

/// Orientations 5..8 swap width and height.
inline bool orientation_swaps_sides(int orientation) {
  return orientation >= 5 && orientation <= 8;
}

/// Whether the stored columns, or rows, run the other way in the upright picture (in whichever direction they end up).
inline bool orientation_mirrors_x(int orientation) {
  return orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
}
inline bool orientation_mirrors_y(int orientation) {
  return orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
}

/// The upright picture for an EXIF orientation 1..8, as Pillow's ImageOps.exif_transpose; 1 returns it unchanged.
Image make_upright(Image image, int orientation);

}  // namespace imageclassifier::image
