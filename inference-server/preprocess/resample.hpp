#pragma once

#include "inference-server/image/decoder.hpp"

namespace imageclassifier::preprocess {

/// A rectangle of the resized picture, in its pixels.
struct Region {
  int x = 0;
  int y = 0;
  int width = 0;
  int height = 0;
};

/// The given region of the picture as if it were resized to width x height by Pillow's Image.resize(BILINEAR)
/// (src/libImaging/Resample.c): triangle filter widened by the shrink factor, 22-bit fixed-point weights, horizontal
/// pass first into 8 bits, then vertical. Equal to the bit, and only the region's rows and columns are computed, so
/// that extreme shapes cost no more than the region. The region lies inside width x height; all sizes are >= 1.
/// This is the scalar reference. Thread safe.
image::Image resample_bilinear(const image::Image& image, int width, int height, const Region& region);

}  // namespace imageclassifier::preprocess
