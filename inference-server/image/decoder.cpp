#include "inference-server/image/decoder.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <string_view>

#include "inference-server/image/formats.hpp"

namespace imageclassifier::image {
namespace {

using namespace std::string_view_literals;

bool begins_with(std::span<const std::byte> file, std::string_view magic, std::size_t offset = 0) {
  if (file.size() < offset + magic.size()) return false;
  return std::equal(magic.begin(), magic.end(), file.begin() + static_cast<std::ptrdiff_t>(offset),
                    [](char expected, std::byte found) { return std::to_integer<char>(found) == expected; });
}

struct KnownFormat {
  std::string_view name;
  std::string_view magic;
  std::size_t offset;
};

/// Only for the sentence that says what the file is instead.
constexpr std::array<KnownFormat, 7> kOtherFormats{{
    {"a PDF", "%PDF-"sv, 0},
    {"a TIFF picture", "II*\0"sv, 0},
    {"a TIFF picture", "MM\0*"sv, 0},
    {"an AVIF picture", "ftypavif"sv, 4},
    {"a HEIC picture", "ftyphei"sv, 4},
    {"a ZIP archive or an office document", "PK\x03\x04"sv, 0},
    {"an HTML or XML text", "<"sv, 0},
}};

tl::unexpected<DecodeError> refuse_unknown(std::span<const std::byte> file) {
  if (file.empty())
    return refuse(DecodeFailure::kEmpty, "The picture is empty. Choose a file that is not 0 bytes long.");
  for (const KnownFormat& format : kOtherFormats) {
    if (begins_with(file, format.magic, format.offset)) {
      return refuse(DecodeFailure::kUnsupportedMediaType,
                    "This file is " + std::string(format.name) + ". Use JPEG, PNG, WebP, GIF or BMP.");
    }
  }
  return refuse(DecodeFailure::kUnsupportedMediaType,
                "This file is not a picture that is read here. Use JPEG, PNG, WebP, GIF or BMP.");
}

/// The one edge where an exception of the standard library (memory) becomes a value.
template <typename T, typename Function>
DecodeResult<T> without_exceptions(Function&& function) {
  try {
    return function();
  } catch (const std::exception&) {
    return refuse(DecodeFailure::kTooLarge, std::string(kNoMemoryMessage));
  }
}

/// A picture that is there as a whole, row by row.
void push_rows(const Image& image, const Part& part, RowSink& sink) {
  sink.begin(part);
  for (int y = part.y; y < part.y + part.height; ++y) {
    const std::size_t first =
        static_cast<std::size_t>(y) * static_cast<std::size_t>(image.width) + static_cast<std::size_t>(part.x);
    std::memcpy(sink.slot(), image.pixels.data() + first * 3, static_cast<std::size_t>(part.width) * 3);
    sink.push();
  }
}

constexpr std::string_view kJpegMagic = "\xFF\xD8\xFF"sv;
constexpr std::string_view kPngMagic = "\x89PNG\r\n\x1A\n"sv;
constexpr std::string_view kGifMagic = "GIF8"sv;

bool is_webp(std::span<const std::byte> file) {
  return begins_with(file, "RIFF"sv) && begins_with(file, "WEBP"sv, 8);
}

}  // namespace

DecodeResult<void> check_size(std::uint64_t width, std::uint64_t height, const DecodeLimits& limits) {
  const auto max_side = static_cast<std::uint64_t>(std::max(limits.max_side, 0));
  if (width > max_side || height > max_side) {
    return refuse(DecodeFailure::kTooLarge, "The picture is " + std::to_string(width) + " x " + std::to_string(height) +
                                                " pixels; no side may exceed " + std::to_string(max_side) +
                                                ". Make it smaller.");
  }
  if (width * height > limits.max_pixels) {
    return refuse(DecodeFailure::kTooLarge, "The picture is " + std::to_string(width) + " x " + std::to_string(height) +
                                                " pixels, " + std::to_string(width * height) +
                                                " in all; the limit is " + std::to_string(limits.max_pixels) +
                                                ". Make it smaller.");
  }
  return {};
}

tl::unexpected<DecodeError> refuse_frames() {
  return refuse(DecodeFailure::kTooManyFrames,
                "The picture has more than " + std::to_string(kMaxFrames) + " frames. Send one of them as a picture.");
}

tl::expected<DecodedImage, DecodeError> decode(std::span<const std::byte> file, const DecodeLimits& limits,
                                               const DecodeOptions& options) {
  return without_exceptions<DecodedImage>([&]() -> DecodeResult<DecodedImage> {
    if (begins_with(file, kJpegMagic)) return decode_jpeg(file, limits, options);
    if (begins_with(file, kPngMagic)) return decode_png(file, limits, options);
    if (is_webp(file)) return decode_webp(file, limits, options);
    if (begins_with(file, kGifMagic)) return decode_gif(file, limits, options);
    if (is_bmp(file)) return decode_bmp(file, limits, options);
    return refuse_unknown(file);
  });
}

tl::expected<ImageInfo, DecodeError> decode_rows(std::span<const std::byte> file, RowSink& sink,
                                                 const DecodeLimits& limits, const DecodeOptions& options) {
  return without_exceptions<ImageInfo>([&]() -> DecodeResult<ImageInfo> {
    if (begins_with(file, kJpegMagic)) return decode_jpeg_rows(file, sink, limits, options);
    auto decoded = decode(file, limits, options);
    if (!decoded) return tl::unexpected(std::move(decoded.error()));
    const Image& image = decoded->image;
    push_rows(image, sink.choose({image.width, image.height, 1, decoded->extent, decoded->info}), sink);
    return std::move(decoded->info);
  });
}

tl::expected<ImageInfo, DecodeError> probe(std::span<const std::byte> file, const DecodeLimits& limits,
                                           const DecodeOptions& options) {
  return without_exceptions<ImageInfo>([&]() -> DecodeResult<ImageInfo> {
    if (begins_with(file, kJpegMagic)) return probe_jpeg(file, limits, options);
    if (begins_with(file, kPngMagic)) return probe_png(file, limits, options);
    if (is_webp(file)) return probe_webp(file, limits, options);
    if (begins_with(file, kGifMagic)) return probe_gif(file, limits, options);
    if (is_bmp(file)) return probe_bmp(file, limits, options);
    return refuse_unknown(file);
  });
}

}  // namespace imageclassifier::image
