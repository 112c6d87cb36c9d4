#pragma once

#include <vector>

#include "inference-server/image/decoder.hpp"

namespace imageclassifier::preprocess {

/// A rectangle of the resized picture, in its pixels.
struct Region {
  int x = 0;
  int y = 0;
  int width = 0;
  int height = 0;
};

/// What the kernels of the resampler are written for. All give the same bits; kScalar is the reference.
enum class InstructionSet { kScalar, kAvx2 };

/// Those that this processor has, the fastest last. Never empty.
const std::vector<InstructionSet>& instruction_sets();

/// The given region of the picture as if it were resized to width x height by Pillow's Image.resize(BILINEAR)
/// (src/libImaging/Resample.c): triangle filter widened by the shrink factor, 22-bit fixed-point weights, horizontal
/// pass first into 8 bits, then vertical. Equal to the bit, and only the region's rows and columns are computed, so
/// that extreme shapes cost no more than the region. The region lies inside width x height; all sizes are >= 1.
/// Thread safe.
image::Image resample_bilinear(const image::Image& image, int width, int height, const Region& region,
                               InstructionSet set = instruction_sets().back());

/// The same of a part of the picture, not empty and inside it, as Image.resize(box=...) does.
image::Image resample_bilinear(const image::Image& image, const image::Extent& extent, int width, int height,
                               const Region& region, InstructionSet set = instruction_sets().back());

}  // namespace imageclassifier::preprocess
