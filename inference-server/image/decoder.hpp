#pragma once

#include <cstddef>
#include <cstdint>
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
  std::string format;                ///< "jpeg" or "png"
  int width = 0;                     ///< upright
  int height = 0;                    ///< upright
  bool orientation_applied = false;  ///< an EXIF orientation other than 1 was applied
  bool alpha = false;                ///< an alpha channel or tRNS exists; it was composited on white
  int frames = 1;
};

struct DecodedImage {
  Image image;
  ImageInfo info;
};

/// Checked against the picture's header before anything of its size is allocated.
struct DecodeLimits {
  std::uint64_t max_pixels = 50'000'000;  ///< width * height
  int max_side = 65'535;                  ///< pixels
};

/// Why a picture was refused; each has one `code` and HTTP status in the protocol (knowledge: status table).
enum class DecodeFailure {
  kEmpty,                 ///< no bytes
  kUnsupportedMediaType,  ///< not a picture by its magic number, or a format that is not read
  kTooLarge,              ///< over DecodeLimits
  kTruncated,             ///< the file ends before the picture does
  kCorrupt                ///< the decoder refused the content
};

struct DecodeError {
  DecodeFailure failure;
  std::string message;  ///< one sentence for the uploader with what to do; echoes nothing of the content
};

/// Bytes of a JPEG or PNG file, recognised by magic number (never by name or content type), to upright RGB.
/// Never throws. Memory stays within 4 bytes per declared pixel plus row buffers; a rotated picture needs 6, a
/// progressive JPEG up to 9 (its coefficients). Thread safe.
tl::expected<DecodedImage, DecodeError> decode(std::span<const std::byte> file, const DecodeLimits& limits = {});

/// The declared size and format only, from the header; allocates nothing of the picture's size.
tl::expected<ImageInfo, DecodeError> probe(std::span<const std::byte> file, const DecodeLimits& limits = {});

}  // namespace imageclassifier::image
