#include "inference-server/image/decoder.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <string_view>
#include <utility>

#include "inference-server/image/alpha.hpp"
#include "inference-server/image/formats.hpp"
#include "inference-server/image/orientation.hpp"

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
    return refuse(DecodeFailure::kNeedsMemory, std::string(kNoMemoryMessage));
  }
}

/// The whole picture, as it is stored.
class WholeImage : public RowSink {
 public:
  Part choose(const Frame& frame) override {
    frame_ = frame;
    return {0, 0, frame.width, frame.height};
  }
  void begin(const Part& delivered) override {
    stride_ = static_cast<std::size_t>(delivered.width) * 3;
    pixels_.resize(static_cast<std::size_t>(delivered.height) * stride_);
  }
  std::uint8_t* slot() override { return pixels_.data() + rows_ * stride_; }
  void push() override { ++rows_; }

  DecodedImage take() {
    Image stored{frame_.width, frame_.height, std::move(pixels_)};
    return {make_upright(std::move(stored), frame_.orientation), std::move(frame_.info), frame_.extent};
  }

 private:
  Frame frame_;
  std::size_t stride_ = 0;
  std::size_t rows_ = 0;
  std::vector<std::uint8_t> pixels_;
};

std::string in_mebibytes(std::uint64_t bytes) {
  return std::to_string((bytes + (1 << 20) - 1) >> 20) + " MiB";
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

DecodeResult<void> check_memory(std::uint64_t bytes, const DecodeLimits& limits, std::string_view instead) {
  if (bytes <= limits.max_memory) {
    if (!limits.admit || limits.admit(bytes)) return {};
    return refuse(DecodeFailure::kOutOfTime, std::string(kOutOfTimeMessage));
  }
  return refuse(DecodeFailure::kNeedsMemory, "The picture takes " + in_mebibytes(bytes) +
                                                 " of memory to decode; the limit is " +
                                                 in_mebibytes(limits.max_memory) + ". " + std::string(instead));
}

Part choose_part(RowSink& sink, const ImageInfo& info, int orientation) {
  Frame frame{info.width, info.height, orientation, {}, info};
  frame.extent = {0, 0, static_cast<double>(info.width), static_cast<double>(info.height)};
  if (orientation_swaps_sides(orientation)) std::swap(frame.width, frame.height);
  const Part part = sink.choose(frame);
  sink.begin(part);
  return part;
}

void push_row(RowSink& sink, const std::uint8_t* pixels, std::size_t channels, int count) {
  const auto size = static_cast<std::size_t>(count);
  if (channels == 4) {
    composite_on_white(pixels, sink.slot(), size);
  } else {
    std::memcpy(sink.slot(), pixels, size * 3);
  }
  sink.push();
}

tl::unexpected<DecodeError> refuse_frames() {
  return refuse(DecodeFailure::kTooManyFrames,
                "The picture has more than " + std::to_string(kMaxFrames) + " frames. Send one of them as a picture.");
}

tl::expected<DecodedImage, DecodeError> decode(std::span<const std::byte> file, const DecodeLimits& limits,
                                               const DecodeOptions& options) {
  return without_exceptions<DecodedImage>([&]() -> DecodeResult<DecodedImage> {
    WholeImage whole;
    if (auto info = decode_rows(file, whole, limits, options); !info) return tl::unexpected(std::move(info.error()));
    return whole.take();
  });
}

tl::expected<ImageInfo, DecodeError> decode_rows(std::span<const std::byte> file, RowSink& sink,
                                                 const DecodeLimits& limits, const DecodeOptions& options) {
  return without_exceptions<ImageInfo>([&]() -> DecodeResult<ImageInfo> {
    if (out_of_time(limits)) return refuse(DecodeFailure::kOutOfTime, std::string(kOutOfTimeMessage));
    if (begins_with(file, kJpegMagic)) return decode_jpeg_rows(file, sink, limits, options);
    if (begins_with(file, kPngMagic)) return decode_png_rows(file, sink, limits, options);
    if (is_webp(file)) return decode_webp_rows(file, sink, limits, options);
    if (begins_with(file, kGifMagic)) return decode_gif_rows(file, sink, limits, options);
    if (is_bmp(file)) return decode_bmp_rows(file, sink, limits, options);
    return refuse_unknown(file);
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
