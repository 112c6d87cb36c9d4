#pragma once

#include <memory>
#include <vector>

#include "inference-server/image/row_sink.hpp"

namespace imageclassifier::preprocess {

/// A rectangle of the resized picture, in its pixels.
using Region = image::Part;

/// What the kernels of the resampler are written for. All give the same bits; kScalar is the reference.
enum class InstructionSet { kScalar, kAvx2 };

/// Those that this processor has, the fastest last. Never empty.
const std::vector<InstructionSet>& instruction_sets();

/// What is resized to what; sizes are those of upright pictures.
struct Resize {
  int from_width = 0;
  int from_height = 0;
  image::Extent extent;  ///< the part of the source that is resized, not empty and inside it, as Image.resize(box=...)
  int width = 0;
  int height = 0;
  Region region;        ///< the part of the result that is computed
  int orientation = 1;  ///< of EXIF: how the rows of the source lie
};

/// The given region of the picture as if it were made upright and resized by Pillow's Image.resize(BILINEAR)
/// (src/libImaging/Resample.c): triangle filter widened by the shrink factor, 22-bit fixed-point weights, horizontal
/// pass first into 8 bits, then vertical. Equal to the bit, and only the region's rows and columns are computed, so
/// that extreme shapes cost no more than the region. Takes the source as it is stored, row by row, and keeps the rows
/// of one window. Used by one thread.
class Resampler {
 public:
  explicit Resampler(const Resize& resize, InstructionSet set = instruction_sets().back());
  ~Resampler();
  Resampler(const Resampler&) = delete;
  Resampler& operator=(const Resampler&) = delete;

  /// The stored pixels that the region depends on.
  image::Part needed() const;
  /// As RowSink's: rows that hold the needed columns at least, and just the needed rows.
  void begin(const image::Part& delivered);
  std::uint8_t* slot();
  void push();
  /// The region, upright; after the last row.
  image::Image take();

 private:
  struct Passes;
  std::unique_ptr<Passes> passes_;
};

/// The same of a picture that is there as a whole. Thread safe.
image::Image resample_bilinear(const image::Image& image, int width, int height, const Region& region,
                               InstructionSet set = instruction_sets().back());
image::Image resample_bilinear(const image::Image& image, const image::Extent& extent, int width, int height,
                               const Region& region, InstructionSet set = instruction_sets().back());

}  // namespace imageclassifier::preprocess
