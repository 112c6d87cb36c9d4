#include <webp/decode.h>
#include <webp/demux.h>

#include <algorithm>
#include <memory>

#include "inference-server/image/alpha.hpp"
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

/// The first frame as R G B, or over white where `composite`.
DecodeResult<Image> decode_frame(const WebPIterator& frame, bool composite) {
  WebPDecoderConfig config;
  if (WebPInitDecoderConfig(&config) == 0) return refuse(DecodeFailure::kCorrupt, std::string(kCorruptMessage));
  VP8StatusCode status = WebPGetFeatures(frame.fragment.bytes, frame.fragment.size, &config.input);
  if (status == VP8_STATUS_OK && (config.input.width != frame.width || config.input.height != frame.height)) {
    status = VP8_STATUS_BITSTREAM_ERROR;
  }
  Image image{frame.width, frame.height, {}};
  if (status == VP8_STATUS_OK) {
    const std::size_t channels = composite ? 4 : 3;
    const auto pixels = static_cast<std::size_t>(frame.width) * static_cast<std::size_t>(frame.height);
    image.pixels.resize(pixels * channels);
    config.output.colorspace = composite ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = image.pixels.data();
    config.output.u.RGBA.stride = frame.width * static_cast<int>(channels);
    config.output.u.RGBA.size = image.pixels.size();
    status = WebPDecode(frame.fragment.bytes, frame.fragment.size, &config);
    WebPFreeDecBuffer(&config.output);
    if (composite && status == VP8_STATUS_OK) composite_on_white(image.pixels.data(), image.pixels.data(), pixels);
    image.pixels.resize(pixels * 3);
  }
  if (status == VP8_STATUS_OK) return image;
  if (status == VP8_STATUS_OUT_OF_MEMORY) return refuse(DecodeFailure::kTooLarge, std::string(kNoMemoryMessage));
  const bool ended = status == VP8_STATUS_NOT_ENOUGH_DATA || status == VP8_STATUS_SUSPENDED;
  return ended ? refuse_truncated() : refuse_corrupt();
}

/// A frame that does not fill its canvas lies on black, as in Pillow, or on white where the rest is transparent.
Image on_canvas(Image frame, const WebpFile& file, std::uint8_t background) {
  if (frame.width == file.canvas_width && frame.height == file.canvas_height) return frame;
  const auto stride = static_cast<std::size_t>(file.canvas_width) * 3;
  Image canvas{file.canvas_width, file.canvas_height, {}};
  canvas.pixels.assign(stride * static_cast<std::size_t>(file.canvas_height), background);
  const auto row = static_cast<std::ptrdiff_t>(frame.width) * 3;
  for (int y = 0; y < frame.height; ++y) {
    const std::size_t at =
        static_cast<std::size_t>(file.frame.y_offset + y) * stride + static_cast<std::size_t>(file.frame.x_offset) * 3;
    std::copy_n(frame.pixels.begin() + y * row, row, canvas.pixels.begin() + static_cast<std::ptrdiff_t>(at));
  }
  return canvas;
}

}  // namespace

DecodeResult<ImageInfo> probe_webp(std::span<const std::byte> file, const DecodeLimits& limits,
                                   const DecodeOptions& options) {
  WebpFile webp;
  if (auto opened = open(file, limits, options, webp); !opened) return tl::unexpected(opened.error());
  return webp.info;
}

DecodeResult<DecodedImage> decode_webp(std::span<const std::byte> file, const DecodeLimits& limits,
                                       const DecodeOptions& options) {
  WebpFile webp;
  if (auto opened = open(file, limits, options, webp); !opened) return tl::unexpected(opened.error());
  const bool composite = webp.info.alpha && options.composite_alpha;
  auto frame = decode_frame(webp.frame, composite);
  if (!frame) return tl::unexpected(frame.error());
  Image canvas = on_canvas(std::move(*frame), webp, composite ? 255 : 0);
  return whole_picture(make_upright(std::move(canvas), webp.orientation), std::move(webp.info));
}

}  // namespace imageclassifier::image
