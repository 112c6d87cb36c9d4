#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstring>
#include <limits>
#include <vector>

#include "inference-server/image/formats.hpp"
#include "inference-server/image/orientation.hpp"
#include "inference-server/image/png_chunks.hpp"

namespace imageclassifier::image {
namespace {

/// libpng's state together with everything that must survive a longjmp. The functions that call setjmp hold no object
/// with a destructor, so that the jump skips none.
struct PngReader {
  std::span<const std::byte> rest;
  std::size_t allowance = std::numeric_limits<std::size_t>::max();  ///< bytes that may still be read
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
  if (length > reader->allowance) png_error(png, "more data than pixels");
  reader->allowance -= length;
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

/// With the last row libpng inflates whatever is left, which may be gigabytes. Deflate hardly ever makes a row larger
/// than it is (8 bytes per pixel at most), and libpng reads somewhat ahead.
bool read_last_row(PngReader& reader, std::uint8_t* row, std::size_t width) {
  constexpr std::size_t kAhead = 64 * 1024;
  reader.allowance = 8 * width + kAhead;
  const bool read = read_row(reader, row);
  reader.allowance = std::numeric_limits<std::size_t>::max();
  return read;
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

/// The pixels as they are stored, after libpng's conversions.
struct Stored {
  std::size_t width;
  std::size_t height;
  std::size_t channels;  ///< bytes per pixel

  std::size_t row() const { return width * channels; }
};

/// Seven passes, each over all rows: libpng leaves alone what a pass does not hold.
bool read_interlaced(PngReader& reader, RowSink& sink, const Part& part, const Stored& stored,
                     const DecodeLimits& limits) {
  std::vector<std::uint8_t> pixels(stored.row() * stored.height);
  for (int pass = 0; pass < PNG_INTERLACE_ADAM7_PASSES; ++pass) {
    for (std::size_t y = 0; y < stored.height; ++y) {
      std::uint8_t* const row = pixels.data() + y * stored.row();
      const bool last = pass + 1 == PNG_INTERLACE_ADAM7_PASSES && y + 1 == stored.height;
      if (!in_time(reader, limits) || !(last ? read_last_row(reader, row, stored.width) : read_row(reader, row))) {
        return false;
      }
    }
  }
  for (int y = part.y; y < part.y + part.height; ++y) {
    const std::size_t at = static_cast<std::size_t>(y) * stored.width + static_cast<std::size_t>(part.x);
    push_row(sink, pixels.data() + at * stored.channels, stored.channels, part.width);
  }
  return true;
}

bool read_rows(PngReader& reader, RowSink& sink, const Part& part, const Stored& stored, const DecodeLimits& limits) {
  std::vector<std::uint8_t> row(stored.row());
  for (int y = 0; y < static_cast<int>(stored.height); ++y) {
    const bool last = y + 1 == static_cast<int>(stored.height);
    if (!in_time(reader, limits) ||
        !(last ? read_last_row(reader, row.data(), stored.width) : read_row(reader, row.data()))) {
      return false;
    }
    if (y < part.y || y >= part.y + part.height) continue;
    push_row(sink, row.data() + static_cast<std::size_t>(part.x) * stored.channels, stored.channels, part.width);
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

DecodeResult<ImageInfo> decode_png_rows(std::span<const std::byte> file, RowSink& sink, const DecodeLimits& limits,
                                        const DecodeOptions& options) {
  auto summary = read_png_chunks(file);
  if (!summary) return tl::unexpected(summary.error());
  if (!options.apply_orientation) summary->orientation = 1;
  auto info = describe(*summary, limits);
  if (!info) return tl::unexpected(info.error());

  PngReader reader;
  reader.rest = file;
  if (!open(reader, options.composite_alpha)) return failed(reader);
  const Stored stored{summary->width, summary->height, png_get_channels(reader.png, reader.info)};
  if (png_get_image_width(reader.png, reader.info) != summary->width ||
      png_get_image_height(reader.png, reader.info) != summary->height ||
      (stored.channels != 3 && stored.channels != 4)) {
    return refuse(DecodeFailure::kCorrupt, std::string(kCorruptMessage));
  }
  const bool interlaced = png_get_interlace_type(reader.png, reader.info) != PNG_INTERLACE_NONE;
  if (interlaced) {
    const auto fits = check_memory(stored.row() * stored.height, limits, "Save it not interlaced, or make it smaller.");
    if (!fits) return tl::unexpected(fits.error());
  }
  const Part part = choose_part(sink, *info, summary->orientation);
  const auto& read = interlaced ? read_interlaced : read_rows;
  if (!read(reader, sink, part, stored, limits) || !finish(reader)) return failed(reader);
  return info;
}

}  // namespace imageclassifier::image
