#include <gif_lib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "inference-server/image/formats.hpp"

namespace imageclassifier::image {
namespace {

struct GifReader {
  std::span<const std::byte> rest;
  GifFileType* gif = nullptr;
  bool truncated = false;

  GifReader() = default;
  GifReader(const GifReader&) = delete;
  GifReader& operator=(const GifReader&) = delete;
  ~GifReader() {
    if (gif != nullptr) DGifCloseFile(gif, nullptr);
  }
};

int read_bytes(GifFileType* gif, GifByteType* out, int wanted) {
  auto* reader = static_cast<GifReader*>(gif->UserData);
  const std::size_t count = std::min(reader->rest.size(), static_cast<std::size_t>(std::max(wanted, 0)));
  if (count != 0) std::memcpy(out, reader->rest.data(), count);
  reader->rest = reader->rest.subspan(count);
  reader->truncated = reader->truncated || static_cast<int>(count) < wanted;
  return static_cast<int>(count);
}

tl::unexpected<DecodeError> failed(const GifReader& reader) {
  return reader.truncated ? refuse(DecodeFailure::kTruncated, std::string(kTruncatedMessage))
                          : refuse(DecodeFailure::kCorrupt, std::string(kCorruptMessage));
}

bool open(GifReader& reader) {
  int error = 0;
  reader.gif = DGifOpen(&reader, read_bytes, &error);
  return reader.gif != nullptr;
}

/// Reads one extension to its end; a graphic control sets the transparent index where it has one.
bool read_extension(GifFileType* gif, std::optional<int>& transparent) {
  int code = 0;
  GifByteType* block = nullptr;
  if (DGifGetExtension(gif, &code, &block) != GIF_OK) return false;
  GraphicsControlBlock control{};
  if (code == GRAPHICS_EXT_FUNC_CODE && block != nullptr &&
      DGifExtensionToGCB(block[0], block + 1, &control) == GIF_OK && control.TransparentColor != NO_TRANSPARENT_COLOR) {
    transparent = control.TransparentColor;
  }
  while (block != nullptr) {
    if (DGifGetExtensionNext(gif, &block) != GIF_OK) return false;
  }
  return true;
}

enum class Next { kFrame, kEnd, kFailure };

/// Up to the next frame's descriptor, or the trailer.
Next next_frame(GifFileType* gif, std::optional<int>& transparent) {
  for (;;) {
    GifRecordType type = UNDEFINED_RECORD_TYPE;
    if (DGifGetRecordType(gif, &type) != GIF_OK) return Next::kFailure;
    if (type == TERMINATE_RECORD_TYPE) return Next::kEnd;
    if (type == IMAGE_DESC_RECORD_TYPE) return DGifGetImageDesc(gif) == GIF_OK ? Next::kFrame : Next::kFailure;
    if (type != EXTENSION_RECORD_TYPE || !read_extension(gif, transparent)) return Next::kFailure;
  }
}

bool skip_frame_data(GifFileType* gif) {
  int size = 0;
  GifByteType* block = nullptr;
  if (DGifGetCode(gif, &size, &block) != GIF_OK) return false;
  while (block != nullptr) {
    if (DGifGetCodeNext(gif, &block) != GIF_OK) return false;
  }
  return true;
}

/// Everything but the pixels. Frames after the first are only counted: what is broken behind a whole first frame is
/// no reason to refuse it, unless the file ends inside a frame.
DecodeResult<ImageInfo> describe(GifReader& reader, const DecodeLimits& limits) {
  if (!open(reader)) return failed(reader);
  std::optional<int> transparent;
  if (next_frame(reader.gif, transparent) != Next::kFrame) return failed(reader);
  const GifImageDesc first = reader.gif->Image;
  // Pillow's rule: a frame that reaches beyond the screen widens it.
  const std::int64_t width = std::max(reader.gif->SWidth, first.Left + first.Width);
  const std::int64_t height = std::max(reader.gif->SHeight, first.Top + first.Height);
  if (first.Width <= 0 || first.Height <= 0 || first.Left < 0 || first.Top < 0) {
    return refuse(DecodeFailure::kCorrupt, std::string(kCorruptMessage));
  }
  if (auto size = check_size(static_cast<std::uint64_t>(width), static_cast<std::uint64_t>(height), limits); !size) {
    return tl::unexpected(size.error());
  }
  if (!skip_frame_data(reader.gif)) return failed(reader);
  ImageInfo info;
  info.format = "gif";
  info.width = static_cast<int>(width);
  info.height = static_cast<int>(height);
  info.alpha = transparent.has_value();
  std::optional<int> ignored;
  while (!reader.rest.empty()) {
    const Next next = next_frame(reader.gif, ignored);
    if (next == Next::kFailure && reader.truncated) return failed(reader);
    if (next != Next::kFrame) break;
    if (++info.frames > static_cast<int>(kMaxFrames)) return refuse_frames();
    if (!skip_frame_data(reader.gif)) return failed(reader);
  }
  return info;
}

/// All 256 indices: those that no palette names are greys, as in Pillow.
using Palette = std::array<std::array<std::uint8_t, 3>, 256>;

Palette palette_of(const GifFileType& gif) {
  Palette palette;
  for (std::size_t i = 0; i < palette.size(); ++i) palette[i].fill(static_cast<std::uint8_t>(i));
  const ColorMapObject* map = gif.Image.ColorMap != nullptr ? gif.Image.ColorMap : gif.SColorMap;
  if (map == nullptr) return palette;
  for (std::size_t i = 0; i < std::min(palette.size(), static_cast<std::size_t>(map->ColorCount)); ++i) {
    palette[i] = {map->Colors[i].Red, map->Colors[i].Green, map->Colors[i].Blue};
  }
  return palette;
}

/// The first frame's indices on a canvas of `stride` bytes a row.
bool read_frame(GifFileType* gif, std::vector<std::uint8_t>& canvas, std::size_t stride) {
  const GifImageDesc& frame = gif->Image;
  struct Pass {
    int first;
    int step;
  };
  constexpr std::array<Pass, 4> kInterlaced{{{0, 8}, {4, 8}, {2, 4}, {1, 2}}};
  constexpr std::array<Pass, 1> kPlain{{{0, 1}}};
  for (const Pass& pass : frame.Interlace ? std::span<const Pass>(kInterlaced) : std::span<const Pass>(kPlain)) {
    for (int y = pass.first; y < frame.Height; y += pass.step) {
      std::uint8_t* row = canvas.data() + static_cast<std::size_t>(frame.Top + y) * stride + frame.Left;
      if (DGifGetLine(gif, row, frame.Width) != GIF_OK) return false;
    }
  }
  return true;
}

}  // namespace

DecodeResult<ImageInfo> probe_gif(std::span<const std::byte> file, const DecodeLimits& limits, const DecodeOptions&) {
  GifReader reader;
  reader.rest = file;
  return describe(reader, limits);
}

DecodeResult<ImageInfo> decode_gif_rows(std::span<const std::byte> file, RowSink& sink, const DecodeLimits& limits,
                                        const DecodeOptions& options) {
  auto info = probe_gif(file, limits, options);
  if (!info) return tl::unexpected(info.error());
  GifReader reader;
  reader.rest = file;
  std::optional<int> transparent;
  if (!open(reader) || next_frame(reader.gif, transparent) != Next::kFrame) return failed(reader);

  const auto stride = static_cast<std::size_t>(info->width);
  const std::size_t size = stride * static_cast<std::size_t>(info->height);
  if (auto fits = check_memory(size, limits); !fits) return tl::unexpected(fits.error());
  std::vector<std::uint8_t> canvas(size, static_cast<std::uint8_t>(transparent.value_or(0)));
  if (!read_frame(reader.gif, canvas, stride)) return failed(reader);
  Palette palette = palette_of(*reader.gif);
  if (transparent && options.composite_alpha) palette[static_cast<std::uint8_t>(*transparent)].fill(255);
  const Part part = choose_part(sink, *info);
  for (int y = part.y; y < part.y + part.height; ++y) {
    const std::uint8_t* in = canvas.data() + static_cast<std::size_t>(y) * stride + part.x;
    std::uint8_t* out = sink.slot();
    for (int x = 0; x < part.width; ++x) out = std::copy_n(palette[in[x]].begin(), 3, out);
    sink.push();
  }
  return info;
}

}  // namespace imageclassifier::image
