#include <algorithm>
#include <csetjmp>
#include <cstdio>
// libjpeg's header needs size_t and FILE from <cstdio> above, and jerror.h needs libjpeg's.
#include <jpeglib.h>

#include <jerror.h>

#include <cstdint>
#include <vector>

#include "inference-server/image/exif.hpp"
#include "inference-server/image/formats.hpp"
#include "inference-server/image/jpeg_huffman.hpp"
#include "inference-server/image/orientation.hpp"

namespace imageclassifier::image {
namespace {

constexpr unsigned kMaxMarkerLength = 0xFFFF;
/// A progressive file of a few kB may ask for many passes over every block; sane encoders write about ten.
constexpr int kMaxScans = 100;

/// At one eighth a block is its mean: on photos that is off by more than 0.3 of 255 on average.
constexpr unsigned kLeastEighths = 2;

/// Columns (at the scale of the decode: eighths of 16) beside the needed ones. What libjpeg computes at an edge of the
/// part differs from what it would have seen of the neighbours.
constexpr int kMarginBlocks = 2;

/// libjpeg's state together with everything that must survive a longjmp. The functions that call setjmp hold no
/// object with a destructor, so that the jump skips none.
struct JpegReader {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  JpegHuffman huffman;
  std::jmp_buf escape{};
  DecodeFailure failure = DecodeFailure::kCorrupt;
  const DecodeLimits* limits = nullptr;

  JpegReader() = default;
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;
  ~JpegReader() { jpeg_destroy_decompress(&info); }
};

[[noreturn]] void escape(j_common_ptr info, DecodeFailure failure) {
  auto* reader = static_cast<JpegReader*>(info->client_data);
  reader->failure = failure;
  std::longjmp(reader->escape, 1);
}

[[noreturn]] void on_error(j_common_ptr info) {
  const bool at_end = info->err->msg_code == JERR_INPUT_EOF || info->err->msg_code == JERR_INPUT_EMPTY;
  escape(info, at_end ? DecodeFailure::kTruncated : DecodeFailure::kCorrupt);
}

/// libjpeg warns and fills the rest with grey where a person would call the file broken.
void on_message(j_common_ptr info, int level) {
  if (level >= 0) return;
  switch (info->err->msg_code) {
    case JWRN_JPEG_EOF:
      escape(info, DecodeFailure::kTruncated);
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_MUST_RESYNC:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_BOGUS_PROGRESSION:
      escape(info, DecodeFailure::kCorrupt);
    default:
      break;
  }
}

void on_progress(j_common_ptr info) {
  auto* decompress = reinterpret_cast<j_decompress_ptr>(info);
  if (decompress->input_scan_number > kMaxScans) escape(info, DecodeFailure::kTooManyScans);
  if (out_of_time(*static_cast<JpegReader*>(info->client_data)->limits)) escape(info, DecodeFailure::kOutOfTime);
}

void ignore_output(j_common_ptr) {}

bool read_header(JpegReader& reader, std::span<const std::byte> file, const DecodeLimits& limits) {
  reader.limits = &limits;
  reader.info.err = jpeg_std_error(&reader.errors);
  reader.errors.error_exit = on_error;
  reader.errors.emit_message = on_message;
  reader.errors.output_message = ignore_output;
  reader.info.client_data = &reader;
  if (setjmp(reader.escape) != 0) return false;
  jpeg_create_decompress(&reader.info);
  reader.progress.progress_monitor = on_progress;
  reader.info.progress = &reader.progress;
  jpeg_mem_src(&reader.info, reinterpret_cast<const unsigned char*>(file.data()), file.size());
  jpeg_save_markers(&reader.info, JPEG_APP0 + 1, kMaxMarkerLength);
  jpeg_read_header(&reader.info, TRUE);
  return true;
}

bool start(JpegReader& reader, unsigned eighths) {
  if (setjmp(reader.escape) != 0) return false;
  reader.info.out_color_space = reader.info.num_components == 4 ? JCS_CMYK : JCS_RGB;
  reader.info.scale_num = eighths;
  reader.info.scale_denom = 8;
  reader.info.dct_method = JDCT_ISLOW;
  reader.info.do_fancy_upsampling = TRUE;
  jpeg_start_decompress(&reader.info);
  reader.huffman.take_over(reader.info);
  return true;
}

bool read_row(JpegReader& reader, std::uint8_t* row) {
  if (setjmp(reader.escape) != 0) return false;
  JSAMPROW rows[1] = {row};
  jpeg_read_scanlines(&reader.info, rows, 1);
  return true;
}

/// Leaves out columns and rows as far as libjpeg can: whole blocks.
bool restrict_to(JpegReader& reader, const Part& needed, Part& delivered) {
  if (setjmp(reader.escape) != 0) return false;
  jpeg_decompress_struct& info = reader.info;
  const auto width = static_cast<int>(info.output_width);
  const int margin = kMarginBlocks * info.max_h_samp_factor * info.min_DCT_scaled_size;
  const int left = std::max(needed.x - margin, 0);
  const int right = std::min(needed.x + needed.width + margin, width);
  const bool faithful = info.scale_num == info.scale_denom || info.max_h_samp_factor <= 2;
  if (faithful && (left > 0 || right < width)) {
    auto x = static_cast<JDIMENSION>(left);
    auto size = static_cast<JDIMENSION>(right - left);
    jpeg_crop_scanline(&info, &x, &size);
    delivered.x = static_cast<int>(x);
  } else {
    delivered.x = 0;
  }
  delivered.width = static_cast<int>(info.output_width);
  if (needed.y > 0) jpeg_skip_scanlines(&info, static_cast<JDIMENSION>(needed.y));
  return true;
}

/// Below the needed rows only the bits are decoded. The last row is read, since libjpeg takes a skip to the end for
/// leave to stop there, and would not see that the file is cut.
bool skip_rest(JpegReader& reader, std::uint8_t* row) {
  if (setjmp(reader.escape) != 0) return false;
  const JDIMENSION rest = reader.info.output_height - reader.info.output_scanline;
  if (rest > 1) jpeg_skip_scanlines(&reader.info, rest - 1);
  JSAMPROW rows[1] = {row};
  if (rest > 0) jpeg_read_scanlines(&reader.info, rows, 1);
  return true;
}

bool finish(JpegReader& reader) {
  if (setjmp(reader.escape) != 0) return false;
  jpeg_finish_decompress(&reader.info);
  return true;
}

tl::unexpected<DecodeError> failed(const JpegReader& reader) {
  switch (reader.failure) {
    case DecodeFailure::kTooManyScans:
      return refuse(reader.failure, "The picture has more than " + std::to_string(kMaxScans) +
                                        " progressive scans. Save it again as an ordinary JPEG.");
    case DecodeFailure::kOutOfTime:
      return refuse(reader.failure, std::string(kOutOfTimeMessage));
    case DecodeFailure::kTruncated:
      return refuse(reader.failure, std::string(kTruncatedMessage));
    default:
      return refuse(DecodeFailure::kCorrupt, std::string(kCorruptMessage));
  }
}

int orientation_of(const JpegReader& reader, const DecodeOptions& options) {
  if (!options.apply_orientation) return 1;
  for (jpeg_saved_marker_ptr marker = reader.info.marker_list; marker != nullptr; marker = marker->next) {
    const std::span payload(reinterpret_cast<const std::byte*>(marker->data), marker->data_length);
    const int orientation = exif_orientation_of_app1(payload);
    if (orientation != 1) return orientation;
  }
  return 1;
}

DecodeResult<ImageInfo> describe(const JpegReader& reader, const DecodeLimits& limits, const DecodeOptions& options) {
  const int components = reader.info.num_components;
  if (components != 1 && components != 3 && components != 4) {
    return refuse(DecodeFailure::kCorrupt, "The picture has " + std::to_string(components) +
                                               " colour channels; 1, 3 and 4 are read. Save it as RGB.");
  }
  if (auto size = check_size(reader.info.image_width, reader.info.image_height, limits); !size) {
    return tl::unexpected(size.error());
  }
  ImageInfo info;
  info.format = "jpeg";
  info.width = static_cast<int>(reader.info.image_width);
  info.height = static_cast<int>(reader.info.image_height);
  const int orientation = orientation_of(reader, options);
  info.orientation_applied = orientation != 1;
  if (orientation_swaps_sides(orientation)) std::swap(info.width, info.height);
  return info;
}

/// The coefficients of a file in several scans are kept until the last (jdcoefct.c); others are decoded in passing.
DecodeResult<void> check_coefficients(JpegReader& reader, const DecodeLimits& limits) {
  const jpeg_decompress_struct& info = reader.info;
  if (jpeg_has_multiple_scans(&reader.info) == FALSE) return {};
  const auto rounded_up = [](JDIMENSION blocks, int factor) {
    const auto whole = static_cast<std::uint64_t>(factor);
    return (blocks + whole - 1) / whole * whole;
  };
  std::uint64_t blocks = 0;
  for (const jpeg_component_info& component :
       std::span(info.comp_info, static_cast<std::size_t>(info.num_components))) {
    blocks += rounded_up(component.width_in_blocks, component.h_samp_factor) *
              rounded_up(component.height_in_blocks, component.v_samp_factor);
  }
  return check_memory(blocks * sizeof(JBLOCK), limits,
                      "Save it as a baseline JPEG, not progressive, or make it smaller.");
}

unsigned scale_for(const JpegReader& reader, const DecodeOptions& options) {
  if (options.least_shorter_side <= 0) return 8;
  const std::uint64_t shorter = std::min(reader.info.image_width, reader.info.image_height);
  const std::uint64_t wanted = static_cast<std::uint64_t>(options.least_shorter_side) * 8;
  unsigned eighths = kLeastEighths;
  while (eighths < 8 && shorter * eighths < wanted) ++eighths;
  return eighths;
}

/// Where the file's pixels lie after make_upright(): at a reduced scale libjpeg rounds both sides up, so that the last
/// column and row of the stored picture are covered in part.
Extent upright_extent(const Frame& stored, const JpegReader& reader, unsigned eighths) {
  Extent extent{0, 0, reader.info.image_width * eighths / 8.0, reader.info.image_height * eighths / 8.0};
  if (orientation_mirrors_x(stored.orientation)) extent.x = stored.width - extent.width;
  if (orientation_mirrors_y(stored.orientation)) extent.y = stored.height - extent.height;
  if (orientation_swaps_sides(stored.orientation)) {
    std::swap(extent.x, extent.y);
    std::swap(extent.width, extent.height);
  }
  return extent;
}

/// a * b / 255, rounded, for bytes; the integer form that Pillow's conversion uses.
int multiply_255(int a, int b) {
  const int product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

/// Every four-channel file is taken as inverted (Adobe's polarity), without a colour profile, as Pillow does.
void cmyk_row_to_rgb(const std::vector<std::uint8_t>& cmyk, std::uint8_t* rgb) {
  for (std::size_t i = 0; i + 3 < cmyk.size(); i += 4, rgb += 3) {
    const int key = cmyk[i + 3];
    for (std::size_t channel = 0; channel < 3; ++channel) {
      rgb[channel] = static_cast<std::uint8_t>(std::clamp(key - multiply_255(255 - cmyk[i + channel], key), 0, 255));
    }
  }
}

bool read_rows(JpegReader& reader, RowSink& sink, const Part& part) {
  std::vector<std::uint8_t> cmyk;
  if (reader.info.out_color_space == JCS_CMYK) cmyk.resize(static_cast<std::size_t>(part.width) * 4);
  for (int y = 0; y < part.height; ++y) {
    std::uint8_t* row = sink.slot();
    if (!read_row(reader, cmyk.empty() ? row : cmyk.data())) return false;
    if (!cmyk.empty()) cmyk_row_to_rgb(cmyk, row);
    sink.push();
  }
  return true;
}

}  // namespace

DecodeResult<ImageInfo> probe_jpeg(std::span<const std::byte> file, const DecodeLimits& limits,
                                   const DecodeOptions& options) {
  JpegReader reader;
  if (!read_header(reader, file, limits)) return failed(reader);
  return describe(reader, limits, options);
}

DecodeResult<ImageInfo> decode_jpeg_rows(std::span<const std::byte> file, RowSink& sink, const DecodeLimits& limits,
                                         const DecodeOptions& options) {
  JpegReader reader;
  if (!read_header(reader, file, limits)) return failed(reader);
  auto info = describe(reader, limits, options);
  if (!info) return tl::unexpected(info.error());
  if (auto fits = check_coefficients(reader, limits); !fits) return tl::unexpected(fits.error());
  Frame frame;
  frame.info = *info;
  frame.orientation = orientation_of(reader, options);  // finishing frees the markers
  const unsigned eighths = scale_for(reader, options);
  if (!start(reader, eighths)) return failed(reader);
  frame.width = static_cast<int>(reader.info.output_width);
  frame.height = static_cast<int>(reader.info.output_height);
  frame.extent = upright_extent(frame, reader, eighths);
  const Part needed = sink.choose(frame);
  Part delivered = needed;
  if (!restrict_to(reader, needed, delivered)) return failed(reader);
  sink.begin(delivered);
  std::vector<std::uint8_t> unused(static_cast<std::size_t>(delivered.width) * 4);
  if (!read_rows(reader, sink, delivered) || !skip_rest(reader, unused.data()) || !finish(reader)) {
    return failed(reader);
  }
  return info;
}

}  // namespace imageclassifier::image
