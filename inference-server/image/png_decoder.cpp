#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstring>
#include <vector>

#include "inference-server/image/alpha.hpp"
#include "inference-server/image/formats.hpp"
#include "inference-server/image/orientation.hpp"
#include "inference-server/image/png_chunks.hpp"

namespace imageclassifier::image {
namespace {

/// libpng's state together with everything that must survive a longjmp. The functions that call setjmp hold no object
/// with a destructor, so that the jump skips none.
struct PngReader {
  std::span<const std::byte> rest;
  png_structp png = nullptr;
  png_infop info = nullptr;
  DecodeFailure failure = DecodeFailure::kCorrupt;

  PngReader() = default;
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;
  ~PngReader() { png_destroy_read_struct(&png, &info, nullptr); }
};

[[noreturn]] void on_error(png_structp png, png_const_charp) {
  png_longjmp(png, 1);
}
void on_warning(png_structp, png_const_charp) {}

void read_bytes(png_structp png, png_bytep out, std::size_t length) {
  auto* reader = static_cast<PngReader*>(png_get_io_ptr(png));
  if (reader->rest.size() < length) {
    reader->failure = DecodeFailure::kTruncated;
    png_error(png, "end of file");
  }
  std::memcpy(out, reader->rest.data(), length);
  reader->rest = reader->rest.subspan(length);
}

bool open(PngReader& reader, bool keep_alpha) {
  reader.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, nullptr, on_error, on_warning);
  if (reader.png == nullptr) return false;
  reader.info = png_create_info_struct(reader.png);
  if (reader.info == nullptr || setjmp(png_jmpbuf(reader.png)) != 0) return false;
  png_set_read_fn(reader.png, &reader, read_bytes);
  // Text, profiles and the other chunks that are no pixels are skipped unread and uninflated, so they need no limit:
  // libpng's default one would refuse whole pictures for a large profile.
  png_set_keep_unknown_chunks(reader.png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  png_set_chunk_malloc_max(reader.png, 0);
  png_set_user_limits(reader.png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // read_png_chunks checked ours before
  png_read_info(reader.png, reader.info);
  png_set_expand(reader.png);
  if (!keep_alpha) png_set_strip_alpha(reader.png);
  png_set_strip_16(reader.png);
  png_set_gray_to_rgb(reader.png);
  png_set_interlace_handling(reader.png);
  png_read_update_info(reader.png, reader.info);
  return true;
}

bool read_row(PngReader& reader, std::uint8_t* row) {
  if (setjmp(png_jmpbuf(reader.png)) != 0) return false;
  png_read_row(reader.png, row, nullptr);
  return true;
}

bool finish(PngReader& reader) {
  if (setjmp(png_jmpbuf(reader.png)) != 0) return false;
  png_read_end(reader.png, nullptr);
  return true;
}

tl::unexpected<DecodeError> failed(const PngReader& reader) {
  if (reader.failure == DecodeFailure::kOutOfTime) return refuse(reader.failure, std::string(kOutOfTimeMessage));
  const bool truncated = reader.failure == DecodeFailure::kTruncated;
  return refuse(reader.failure, std::string(truncated ? kTruncatedMessage : kCorruptMessage));
}

/// Asked between rows.
bool in_time(PngReader& reader, const DecodeLimits& limits) {
  if (!out_of_time(limits)) return true;
  reader.failure = DecodeFailure::kOutOfTime;
  return false;
}

/// Seven passes, each over all rows: libpng leaves alone what a pass does not hold.
bool read_interlaced(PngReader& reader, Image& image, std::size_t channels, const DecodeLimits& limits) {
  const auto width = static_cast<std::size_t>(image.width);
  const auto height = static_cast<std::size_t>(image.height);
  image.pixels.resize(width * height * channels);
  for (int pass = 0; pass < PNG_INTERLACE_ADAM7_PASSES; ++pass) {
    for (std::size_t y = 0; y < height; ++y) {
      if (!in_time(reader, limits) || !read_row(reader, image.pixels.data() + y * width * channels)) return false;
    }
  }
  if (channels == 4) composite_on_white(image.pixels.data(), image.pixels.data(), width * height);
  image.pixels.resize(width * height * 3);
  return true;
}

bool read_rows(PngReader& reader, Image& image, std::size_t channels, const DecodeLimits& limits) {
  const auto width = static_cast<std::size_t>(image.width);
  const auto height = static_cast<std::size_t>(image.height);
  image.pixels.resize(width * height * 3);
  std::vector<std::uint8_t> rgba(channels == 4 ? width * 4 : 0);
  for (std::size_t y = 0; y < height; ++y) {
    std::uint8_t* row = image.pixels.data() + y * width * 3;
    if (!in_time(reader, limits) || !read_row(reader, rgba.empty() ? row : rgba.data())) return false;
    if (!rgba.empty()) composite_on_white(rgba.data(), row, width);
  }
  return true;
}

DecodeResult<ImageInfo> describe(const PngSummary& summary, const DecodeLimits& limits) {
  if (auto size = check_size(summary.width, summary.height, limits); !size) return tl::unexpected(size.error());
  if (summary.width == 0 || summary.height == 0) {
    return refuse(DecodeFailure::kCorrupt, std::string(kCorruptMessage));
  }
  ImageInfo info;
  info.format = "png";
  info.width = static_cast<int>(summary.width);
  info.height = static_cast<int>(summary.height);
  info.alpha = summary.alpha;
  info.frames = summary.frames;
  info.orientation_applied = summary.orientation != 1;
  if (orientation_swaps_sides(summary.orientation)) std::swap(info.width, info.height);
  return info;
}

}  // namespace

DecodeResult<ImageInfo> probe_png(std::span<const std::byte> file, const DecodeLimits& limits,
                                  const DecodeOptions& options) {
  auto summary = read_png_chunks(file);
  if (!summary) return tl::unexpected(summary.error());
  if (!options.apply_orientation) summary->orientation = 1;
  return describe(*summary, limits);
}

DecodeResult<DecodedImage> decode_png(std::span<const std::byte> file, const DecodeLimits& limits,
                                      const DecodeOptions& options) {
  auto summary = read_png_chunks(file);
  if (!summary) return tl::unexpected(summary.error());
  if (!options.apply_orientation) summary->orientation = 1;
  auto info = describe(*summary, limits);
  if (!info) return tl::unexpected(info.error());

  PngReader reader;
  reader.rest = file;
  if (!open(reader, options.composite_alpha)) return failed(reader);
  Image image;
  image.width = static_cast<int>(summary->width);
  image.height = static_cast<int>(summary->height);
  const std::size_t channels = png_get_channels(reader.png, reader.info);
  if (png_get_image_width(reader.png, reader.info) != summary->width ||
      png_get_image_height(reader.png, reader.info) != summary->height || (channels != 3 && channels != 4)) {
    return refuse(DecodeFailure::kCorrupt, std::string(kCorruptMessage));
  }
  const bool interlaced = png_get_interlace_type(reader.png, reader.info) != PNG_INTERLACE_NONE;
  const bool read =
      interlaced ? read_interlaced(reader, image, channels, limits) : read_rows(reader, image, channels, limits);
  if (!read || !finish(reader)) return failed(reader);
  return whole_picture(make_upright(std::move(image), summary->orientation), std::move(*info));
}

}  // namespace imageclassifier::image
