#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <optional>

#include "inference-server/image/bmp_rle.hpp"
#include "inference-server/image/formats.hpp"

namespace imageclassifier::image {
namespace {

constexpr std::size_t kFileHeader = 14;
constexpr std::uint32_t kCoreHeader = 12;  // OS/2 1.x
constexpr std::uint32_t kInfoHeader = 40;
constexpr std::uint32_t kMaxColors = 65'536;

enum Compression : std::uint32_t { kRaw = 0, kRle8 = 1, kRle4 = 2, kBitFields = 3 };

/// One channel of a pixel of up to 32 bits, scaled to 0..255 as Pillow does: value * 255 / largest value, cut.
struct Channel {
  std::uint32_t mask = 0;

  std::uint8_t of(std::uint32_t pixel) const {
    if (mask == 0) return 0;
    const int shift = std::countr_zero(mask);
    return static_cast<std::uint8_t>(std::uint64_t{(pixel & mask) >> shift} * 255 / (mask >> shift));
  }
};

struct BmpHeader {
  std::int64_t width = 0;
  std::int64_t height = 0;
  bool top_down = false;
  std::uint32_t bits = 0;
  std::optional<Rle> rle;
  std::size_t palette_at = 0;
  std::uint32_t colors = 0;           ///< entries of the palette
  std::size_t palette_entry = 4;      ///< bytes
  std::array<Channel, 4> channels{};  ///< R, G, B, A of 16, 24 and 32 bits
  std::size_t pixels_at = 0;
};

class Bytes {
 public:
  explicit Bytes(std::span<const std::byte> file) : file_(file) {}

  /// Little endian; nothing beyond the end.
  std::optional<std::uint32_t> number(std::size_t at, std::size_t size) const {
    if (at > file_.size() || file_.size() - at < size) return std::nullopt;
    std::uint32_t value = 0;
    for (std::size_t i = size; i-- > 0;) value = value << 8 | std::to_integer<std::uint32_t>(file_[at + i]);
    return value;
  }

 private:
  std::span<const std::byte> file_;
};

tl::unexpected<DecodeError> refuse_corrupt() {
  return refuse(DecodeFailure::kCorrupt, std::string(kCorruptMessage));
}

tl::unexpected<DecodeError> refuse_truncated() {
  return refuse(DecodeFailure::kTruncated, std::string(kTruncatedMessage));
}

bool known_header(std::uint32_t size) {
  constexpr std::array<std::uint32_t, 7> kSizes{kCoreHeader, kInfoHeader, 52, 56, 64, 108, 124};
  return std::find(kSizes.begin(), kSizes.end(), size) != kSizes.end();
}

std::array<Channel, 4> usual_channels(std::uint32_t bits) {
  if (bits == 16) return {{{0x7C00}, {0x3E0}, {0x1F}, {0}}};
  return {{{0xFF0000}, {0xFF00}, {0xFF}, {0}}};
}

/// The four masks of BITFIELDS; they stand behind a header of 40 bytes, without one for alpha, and in a longer one.
DecodeResult<std::array<Channel, 4>> read_masks(const Bytes& bytes, std::uint32_t header_size, std::uint32_t bits) {
  std::array<Channel, 4> channels{};
  const std::size_t masks = header_size >= 56 && header_size != 64 ? 4 : 3;
  for (std::size_t i = 0; i < masks; ++i) {
    const auto mask = bytes.number(kFileHeader + kInfoHeader + i * 4, 4);
    if (!mask) return refuse_truncated();
    channels[i].mask = *mask;
  }
  const bool all_zero = std::all_of(channels.begin(), channels.end(), [](Channel one) { return one.mask == 0; });
  if (all_zero && bits == 32) return std::array<Channel, 4>{{{0xFF0000}, {0xFF00}, {0xFF}, {0xFF000000}}};
  return channels;
}

DecodeResult<BmpHeader> read_header(std::span<const std::byte> file) {
  const Bytes bytes(file);
  const std::uint32_t size = bytes.number(kFileHeader, 4).value_or(0);
  const bool core = size == kCoreHeader;
  if (file.size() < kFileHeader + size) return refuse_truncated();
  const auto field = [&](std::size_t at, std::size_t length) { return *bytes.number(kFileHeader + at, length); };
  BmpHeader header;
  std::uint32_t compression = kRaw;
  std::uint32_t colors = 0;
  if (core) {
    header.width = field(4, 2);
    header.height = field(6, 2);
    header.bits = field(10, 2);
    header.palette_entry = 3;
  } else {
    header.width = static_cast<std::int32_t>(field(4, 4));
    header.height = static_cast<std::int32_t>(field(8, 4));
    header.top_down = header.height < 0;
    header.height = std::abs(header.height);
    header.bits = field(14, 2);
    compression = field(16, 4);
    colors = field(32, 4);
  }
  constexpr std::array<std::uint32_t, 6> kDepths{1, 4, 8, 16, 24, 32};
  if (std::find(kDepths.begin(), kDepths.end(), header.bits) == kDepths.end() || header.width <= 0 ||
      header.height <= 0) {
    return refuse_corrupt();
  }
  if (compression > kBitFields) {
    return refuse(DecodeFailure::kUnsupportedMediaType,
                  "This BMP picture holds another picture, which is not read here. Save it as PNG.");
  }
  if (compression == kRle8 || compression == kRle4) {
    if (header.top_down || header.bits != (compression == kRle8 ? 8U : 4U)) return refuse_corrupt();
    header.rle = compression == kRle8 ? Rle::k8 : Rle::k4;
  }
  header.palette_at = kFileHeader + size;
  header.channels = usual_channels(header.bits);
  if (compression == kBitFields) {
    if (header.bits < 16) return refuse_corrupt();
    const auto channels = read_masks(bytes, size, header.bits);
    if (!channels) return tl::unexpected(channels.error());
    header.channels = *channels;
    if (size == kInfoHeader) header.palette_at += 12;
  }
  header.colors = colors != 0 ? colors : 1U << std::min(header.bits, 16U);
  if (header.bits <= 8 && header.colors > kMaxColors) return refuse_corrupt();
  header.pixels_at = *bytes.number(10, 4);
  if (header.bits <= 8) {
    const std::size_t behind = header.palette_at + header.colors * header.palette_entry;
    // Some writers point to the palette instead of the pixels.
    if (header.pixels_at == header.palette_at || header.pixels_at == 0) header.pixels_at = behind;
  } else if (header.pixels_at == 0) {
    header.pixels_at = header.palette_at;
  }
  return header;
}

DecodeResult<ImageInfo> describe(const BmpHeader& header, const DecodeLimits& limits) {
  const auto width = static_cast<std::uint64_t>(header.width);
  const auto height = static_cast<std::uint64_t>(header.height);
  if (auto size = check_size(width, height, limits); !size) return tl::unexpected(size.error());
  ImageInfo info;
  info.format = "bmp";
  info.width = static_cast<int>(header.width);
  info.height = static_cast<int>(header.height);
  info.alpha = header.bits > 8 && header.channels[3].mask != 0;
  return info;
}

using Palette = std::array<std::array<std::uint8_t, 3>, 256>;

/// R G B of every index; those that the palette does not name are greys, as in Pillow.
DecodeResult<Palette> read_palette(const Bytes& bytes, const BmpHeader& header) {
  Palette palette;
  for (std::size_t i = 0; i < palette.size(); ++i) {
    palette[i].fill(static_cast<std::uint8_t>(i));
    if (i >= header.colors) continue;
    const auto color = bytes.number(header.palette_at + i * header.palette_entry, 3);
    if (!color) return refuse_truncated();
    palette[i] = {static_cast<std::uint8_t>(*color >> 16), static_cast<std::uint8_t>(*color >> 8),
                  static_cast<std::uint8_t>(*color)};
  }
  return palette;
}

void indexed_row(const std::uint8_t* in, std::size_t width, std::uint32_t bits, const Palette& palette,
                 std::uint8_t* out) {
  const std::size_t per_byte = 8 / bits;
  const unsigned mask = (1U << bits) - 1;
  for (std::size_t x = 0; x < width; ++x) {
    const auto shift = static_cast<unsigned>(8 - bits * (x % per_byte + 1));
    out = std::copy_n(palette[(in[x / per_byte] >> shift) & mask].begin(), 3, out);
  }
}

/// Four bytes per pixel where there is alpha, else three.
void direct_row(const std::uint8_t* in, std::size_t width, const BmpHeader& header, bool alpha, std::uint8_t* out) {
  const std::size_t bytes = header.bits / 8;
  const std::size_t channels = alpha ? 4 : 3;
  for (std::size_t x = 0; x < width; ++x, in += bytes) {
    std::uint32_t pixel = 0;
    for (std::size_t i = 0; i < bytes; ++i) pixel |= std::uint32_t{in[i]} << (8 * i);
    for (std::size_t channel = 0; channel < channels; ++channel) *out++ = header.channels[channel].of(pixel);
  }
}

/// Rows in the order of the file.
struct Pixels {
  const std::uint8_t* first;
  std::size_t stride;               ///< bytes
  std::uint32_t bits;               ///< of a pixel
  std::vector<std::uint8_t> owned;  ///< what a compressed picture expands to
};

DecodeResult<Pixels> read_pixels(std::span<const std::byte> file, const BmpHeader& header, std::size_t width,
                                 std::size_t height) {
  if (header.pixels_at > file.size()) return refuse_truncated();
  const auto data = file.subspan(header.pixels_at);
  if (header.rle) {
    auto expanded = expand_rle(data, *header.rle, width, height);
    if (!expanded) return tl::unexpected(std::move(expanded.error()));
    const std::uint8_t* first = expanded->data();
    return Pixels{first, width, 8, std::move(*expanded)};
  }
  const std::size_t row_bytes = (width * header.bits + 7) / 8;
  const std::size_t stride = (row_bytes + 3) / 4 * 4;
  // The padding behind the last row may be missing.
  if (data.size() < stride * (height - 1) + row_bytes) return refuse_truncated();
  return Pixels{reinterpret_cast<const std::uint8_t*>(data.data()), stride, header.bits, {}};
}

}  // namespace

bool is_bmp(std::span<const std::byte> file) {
  const Bytes bytes(file);
  return bytes.number(0, 2) == 0x4D42U && known_header(bytes.number(kFileHeader, 4).value_or(0));
}

DecodeResult<ImageInfo> probe_bmp(std::span<const std::byte> file, const DecodeLimits& limits, const DecodeOptions&) {
  const auto header = read_header(file);
  if (!header) return tl::unexpected(header.error());
  return describe(*header, limits);
}

DecodeResult<ImageInfo> decode_bmp_rows(std::span<const std::byte> file, RowSink& sink, const DecodeLimits& limits,
                                        const DecodeOptions& options) {
  const auto header = read_header(file);
  if (!header) return tl::unexpected(header.error());
  auto info = describe(*header, limits);
  if (!info) return tl::unexpected(info.error());

  const auto width = static_cast<std::size_t>(info->width);
  const auto height = static_cast<std::size_t>(info->height);
  if (header->rle) {
    if (auto fits = check_memory(width * height, limits); !fits) return tl::unexpected(fits.error());
  }
  const auto pixels = read_pixels(file, *header, width, height);
  if (!pixels) return tl::unexpected(pixels.error());
  Palette palette{};
  if (header->bits <= 8) {
    const auto read = read_palette(Bytes(file), *header);
    if (!read) return tl::unexpected(read.error());
    palette = *read;
  }
  const bool composite = info->alpha && options.composite_alpha;
  const std::size_t channels = composite ? 4 : 3;
  std::vector<std::uint8_t> row(width * channels);
  const Part part = choose_part(sink, *info);
  for (int y = part.y; y < part.y + part.height; ++y) {
    const std::size_t stored = static_cast<std::size_t>(header->top_down ? y : info->height - 1 - y);
    const std::uint8_t* in = pixels->first + stored * pixels->stride;
    if (header->bits <= 8) {
      indexed_row(in, width, pixels->bits, palette, row.data());
    } else {
      direct_row(in, width, *header, composite, row.data());
    }
    push_row(sink, row.data() + static_cast<std::size_t>(part.x) * channels, channels, part.width);
  }
  return info;
}

}  // namespace imageclassifier::image
