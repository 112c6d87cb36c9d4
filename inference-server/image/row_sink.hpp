#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "inference-server/image/decoder.hpp"

namespace imageclassifier::image {

/// A rectangle of pixels.
struct Part {
  int x = 0;
  int y = 0;
  int width = 0;
  int height = 0;
};

/// What will be decoded, before its first row.
struct Frame {
  int width = 0;        ///< pixels as they are stored, at the scale of the decode
  int height = 0;       ///< the same
  int orientation = 1;  ///< of EXIF, which makes the rows upright; 1..8
  Extent extent;        ///< as in DecodedImage: in pixels of the upright picture at the scale of the decode
  ImageInfo info;
};

/// Takes a picture row by row, in the order in which it is stored, so that nobody holds the whole of it. The calls come
/// in the order of their declaration, the last two for each row.
class RowSink {
 public:
  virtual ~RowSink() = default;

  /// The stored pixels that are needed; not empty, inside the frame.
  virtual Part choose(const Frame& frame) = 0;
  /// What each row will hold and how many there will be: the needed columns and perhaps more, the needed rows.
  virtual void begin(const Part& delivered) = 0;
  /// Where the next row goes: R G B, 3 bytes per delivered column.
  virtual std::uint8_t* slot() = 0;
  /// The slot is filled.
  virtual void push() = 0;
};

/// As decode(), but row by row. What was pushed is worthless if an error is returned: a file is read to its end, so
/// that one that is cut or damaged below the needed rows is refused as well. Of a JPEG only the needed columns and rows
/// are computed, to the same bits as in the whole. Memory beside some rows, in bytes per declared pixel: 0 for a
/// baseline JPEG, a PNG and a BMP; 2 per sample of a JPEG in several scans, as a progressive one is (3 of 4:2:0, 8 of
/// CMYK); 3 or 4 (with alpha) of an interlaced PNG; 1 of a GIF or a compressed BMP; of a WebP 3 or 4, another 4 if it
/// is lossless, 5 if it is lossy with alpha. Thread safe.
tl::expected<ImageInfo, DecodeError> decode_rows(std::span<const std::byte> file, RowSink& sink,
                                                 const DecodeLimits& limits = {}, const DecodeOptions& options = {});

}  // namespace imageclassifier::image
