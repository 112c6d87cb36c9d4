#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <tl/expected.hpp>
#include <vector>

namespace imageclassifier::image {

/// Upright pixels, 8 bits per channel, R G B interleaved, rows top to bottom without padding.
struct Image {
  int width = 0;                     ///< pixels
  int height = 0;                    ///< pixels
  std::vector<std::uint8_t> pixels;  ///< width * height * 3 bytes
};

/// What was found in the file, for the answer.
struct ImageInfo {
  std::string format;                ///< "jpeg", "png", "webp", "gif" or "bmp"
  int width = 0;                     ///< upright
  int height = 0;                    ///< upright
  bool orientation_applied = false;  ///< an EXIF orientation other than 1 was applied
  bool alpha = false;                ///< an alpha channel or tRNS exists
  int frames = 1;                    ///< of an animation, of which the first is taken
};

/// The part of a decoded picture that the file's pixels cover, in the decoded picture's pixels.
struct Extent {
  double x = 0;
  double y = 0;
  double width = 0;
  double height = 0;
};

struct DecodedImage {
  Image image;  ///< smaller than info says after a decode at a reduced scale
  ImageInfo info;
  Extent extent;  ///< the whole image, but for a column or row that a reduced scale fills only in part
};

/// The defaults are exact and what people expect to see.
struct DecodeOptions {
  bool apply_orientation = true;  ///< of EXIF; else the pixels come as they are stored
  bool composite_alpha = true;    ///< on white; else transparency is dropped and hidden colours appear, as in Pillow
  int least_shorter_side = 0;  ///< pixels; over 0: a JPEG is decoded at the least scale (in eighths, from 2 on) whose
                               ///< shorter side is no less, several times faster for a large picture
};

/// Sizes and memory are known from the picture's header, and checked before anything of its size is allocated.
struct DecodeLimits {
  std::uint64_t max_pixels = 50'000'000;  ///< width * height
  int max_side = 65'535;                  ///< pixels
  /// Bytes that the decoder may hold beside some rows; what decode() returns is not counted. The default lets every
  /// kind through up to 28 million pixels, and leaves a container of 1 GiB to two decoders and a ResNet101.
  std::uint64_t max_memory = 256 << 20;
  /// Told once what the decoder will hold, within max_memory, before it is allocated; may wait. False ends the decode
  /// as kOutOfTime. Not called where that is nothing. Empty: every amount is admitted.
  std::function<bool(std::uint64_t bytes)> admit{};
  /// Asked first, and after every row, and every row of blocks of every progressive scan, of a JPEG or PNG; true ends
  /// the decode. The other formats take a time that max_pixels bounds. Empty: no limit.
  std::function<bool()> out_of_time{};
};

/// Why a picture was refused; each has one `code` and HTTP status in the protocol (knowledge: status table).
enum class DecodeFailure {
  kEmpty,                 ///< no bytes
  kUnsupportedMediaType,  ///< not a picture by its magic number, or a format that is not read
  kTooLarge,              ///< over DecodeLimits' pixels or side
  kNeedsMemory,           ///< over DecodeLimits::max_memory, or more than there is
  kTooManyFrames,         ///< over 1,000
  kTooManyScans,          ///< a JPEG with over 100 progressive scans
  kOutOfTime,             ///< DecodeLimits::out_of_time or admit said so
  kTruncated,             ///< the file ends before the picture does
  kCorrupt                ///< the decoder refused the content
};

struct DecodeError {
  DecodeFailure failure;
  std::string message;  ///< one sentence for the uploader with what to do; echoes nothing of the content
};

/// Bytes of a JPEG, PNG, WebP, GIF or BMP file, recognised by magic number (never by name or content type), to upright
/// RGB; of an animation the first frame on its canvas. Never throws. Memory: the picture, twice if it is turned, and
/// what decode_rows() needs. Thread safe.
tl::expected<DecodedImage, DecodeError> decode(std::span<const std::byte> file, const DecodeLimits& limits = {},
                                               const DecodeOptions& options = {});

/// The declared size and format only, from the header; allocates nothing of the picture's size.
tl::expected<ImageInfo, DecodeError> probe(std::span<const std::byte> file, const DecodeLimits& limits = {},
                                           const DecodeOptions& options = {});

}  // namespace imageclassifier::image
