#include <webp/decode.h>
#include <webp/demux.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "inference-server/image/exif.hpp"
#include "inference-server/image/formats.hpp"
#include "inference-server/image/orientation.hpp"

namespace imageclassifier::image {
namespace {

struct DeleteDemuxer {
  void operator()(WebPDemuxer* demuxer) const { WebPDemuxDelete(demuxer); }
};
using Demuxer = std::unique_ptr<WebPDemuxer, DeleteDemuxer>;

/// The first frame and what is told about the whole file; `demuxer` owns what `frame` points to.
struct WebpFile {
  Demuxer demuxer;
  WebPIterator frame{};
  ImageInfo info;
  int canvas_width = 0;
  int canvas_height = 0;
  int orientation = 1;

  WebpFile() = default;
  WebpFile(const WebpFile&) = delete;
  WebpFile& operator=(const WebpFile&) = delete;
  ~WebpFile() { WebPDemuxReleaseIterator(&frame); }
};

tl::unexpected<DecodeError> refuse_corrupt() {
  return refuse(DecodeFailure::kCorrupt, std::string(kCorruptMessage));
}

tl::unexpected<DecodeError> refuse_truncated() {
  return refuse(DecodeFailure::kTruncated, std::string(kTruncatedMessage));
}

int orientation_of(const WebPDemuxer* demuxer) {
  WebPChunkIterator chunk{};
  int orientation = 1;
  if (WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk) != 0) {
    const std::span payload(reinterpret_cast<const std::byte*>(chunk.chunk.bytes), chunk.chunk.size);
    // The specification wants the bare TIFF block; many writers put the JPEG marker's prefix before it.
    orientation = std::max(exif_orientation(payload), exif_orientation_of_app1(payload));
  }
  WebPDemuxReleaseChunkIterator(&chunk);
  return orientation;
}

/// Whether the file is shorter than its RIFF header says; then a chunk that makes no sense is only cut.
bool is_cut(std::span<const std::byte> bytes) {
  if (bytes.size() < 8) return true;
  std::uint64_t declared = 8;
  for (std::size_t i = 0; i < 4; ++i) declared += std::to_integer<std::uint64_t>(bytes[4 + i]) << (8 * i);
  return declared > bytes.size();
}

DecodeResult<void> open(std::span<const std::byte> bytes, const DecodeLimits& limits, const DecodeOptions& options,
                        WebpFile& file) {
  const WebPData data{reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
  WebPDemuxState state = WEBP_DEMUX_PARSE_ERROR;
  file.demuxer.reset(WebPDemuxPartial(&data, &state));
  if (!file.demuxer || state == WEBP_DEMUX_PARSE_ERROR) return is_cut(bytes) ? refuse_truncated() : refuse_corrupt();
  if (state == WEBP_DEMUX_PARSING_HEADER) return refuse_truncated();  // the canvas is not known yet
  const std::uint32_t width = WebPDemuxGetI(file.demuxer.get(), WEBP_FF_CANVAS_WIDTH);
  const std::uint32_t height = WebPDemuxGetI(file.demuxer.get(), WEBP_FF_CANVAS_HEIGHT);
  if (auto size = check_size(width, height, limits); !size) return size;
  const std::uint32_t frames = WebPDemuxGetI(file.demuxer.get(), WEBP_FF_FRAME_COUNT);
  if (frames > kMaxFrames) return refuse_frames();
  if (state != WEBP_DEMUX_DONE) return refuse_truncated();
  if (width == 0 || height == 0 || WebPDemuxGetFrame(file.demuxer.get(), 1, &file.frame) == 0) return refuse_corrupt();

  file.canvas_width = static_cast<int>(width);
  file.canvas_height = static_cast<int>(height);
  const WebPIterator& frame = file.frame;
  if (frame.width <= 0 || frame.height <= 0 || frame.x_offset < 0 || frame.y_offset < 0 ||
      frame.width > file.canvas_width - frame.x_offset || frame.height > file.canvas_height - frame.y_offset) {
    return refuse_corrupt();
  }
  if (options.apply_orientation) file.orientation = orientation_of(file.demuxer.get());
  file.info.format = "webp";
  file.info.width = file.canvas_width;
  file.info.height = file.canvas_height;
  file.info.frames = static_cast<int>(std::max(frames, 1U));
  file.info.alpha = (WebPDemuxGetI(file.demuxer.get(), WEBP_FF_FORMAT_FLAGS) & ALPHA_FLAG) != 0;
  file.info.orientation_applied = file.orientation != 1;
  if (orientation_swaps_sides(file.orientation)) std::swap(file.info.width, file.info.height);
  return {};
}

/// What libwebp holds of a picture beside its output, in bytes per pixel: colours of a lossless one; of a lossy one the
/// alpha plane, and its colours again while it is unpacked (vp8l_dec.c, alpha_dec.c).
std::uint64_t inner_bytes(const WebPBitstreamFeatures& features) {
  constexpr int kLossless = 2;
  if (features.format == kLossless) return 4;
  return features.has_alpha != 0 ? 5 : 0;
}

/// The first frame as R G B, or R G B A.
DecodeResult<std::vector<std::uint8_t>> decode_frame(const WebPIterator& frame, std::size_t channels,
                                                     const DecodeLimits& limits) {
  WebPDecoderConfig config;
  if (WebPInitDecoderConfig(&config) == 0) return refuse_corrupt();
  VP8StatusCode status = WebPGetFeatures(frame.fragment.bytes, frame.fragment.size, &config.input);
  if (status == VP8_STATUS_OK && (config.input.width != frame.width || config.input.height != frame.height)) {
    status = VP8_STATUS_BITSTREAM_ERROR;
  }
  std::vector<std::uint8_t> pixels;
  if (status == VP8_STATUS_OK) {
    const auto count = static_cast<std::size_t>(frame.width) * static_cast<std::size_t>(frame.height);
    if (auto fits = check_memory(count * (channels + inner_bytes(config.input)), limits); !fits) {
      return tl::unexpected(fits.error());
    }
    pixels.resize(count * channels);
    config.output.colorspace = channels == 4 ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = pixels.data();
    config.output.u.RGBA.stride = frame.width * static_cast<int>(channels);
    config.output.u.RGBA.size = pixels.size();
    status = WebPDecode(frame.fragment.bytes, frame.fragment.size, &config);
    WebPFreeDecBuffer(&config.output);
  }
  if (status == VP8_STATUS_OK) return pixels;
  if (status == VP8_STATUS_OUT_OF_MEMORY) return refuse(DecodeFailure::kNeedsMemory, std::string(kNoMemoryMessage));
  const bool ended = status == VP8_STATUS_NOT_ENOUGH_DATA || status == VP8_STATUS_SUSPENDED;
  return ended ? refuse_truncated() : refuse_corrupt();
}

/// One row of the canvas, of which the frame covers a part.
void draw_row(const WebPIterator& frame, const std::vector<std::uint8_t>& pixels, std::size_t channels, int y,
              std::vector<std::uint8_t>& row) {
  std::fill(row.begin(), row.end(), std::uint8_t{0});
  if (y < frame.y_offset || y >= frame.y_offset + frame.height) return;
  const std::size_t size = static_cast<std::size_t>(frame.width) * channels;
  std::copy_n(pixels.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(y - frame.y_offset) * size), size,
              row.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(frame.x_offset) * channels));
}

}  // namespace

DecodeResult<ImageInfo> probe_webp(std::span<const std::byte> file, const DecodeLimits& limits,
                                   const DecodeOptions& options) {
  WebpFile webp;
  if (auto opened = open(file, limits, options, webp); !opened) return tl::unexpected(opened.error());
  return webp.info;
}

DecodeResult<ImageInfo> decode_webp_rows(std::span<const std::byte> file, RowSink& sink, const DecodeLimits& limits,
                                         const DecodeOptions& options) {
  WebpFile webp;
  if (auto opened = open(file, limits, options, webp); !opened) return tl::unexpected(opened.error());
  const std::size_t channels = webp.info.alpha && options.composite_alpha ? 4 : 3;
  const auto pixels = decode_frame(webp.frame, channels, limits);
  if (!pixels) return tl::unexpected(pixels.error());
  const Part part = choose_part(sink, webp.info, webp.orientation);
  // What the frame does not cover is black, as in Pillow, or transparent.
  std::vector<std::uint8_t> row(static_cast<std::size_t>(webp.canvas_width) * channels);
  for (int y = part.y; y < part.y + part.height; ++y) {
    draw_row(webp.frame, *pixels, channels, y, row);
    push_row(sink, row.data() + static_cast<std::size_t>(part.x) * channels, channels, part.width);
  }
  return webp.info;
}

}  // namespace imageclassifier::image
