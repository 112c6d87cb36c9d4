#include "inference-server/image/bmp_rle.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "tests/inference-server/support/pictures.hpp"

using namespace imageclassifier;
using namespace std::string_literals;
using image::DecodeFailure;
using image::Rle;

namespace {

// The examples of Microsoft's "Bitmap Compression".
const std::string kExample8 =
    "\x03\x04\x05\x06\x00\x03\x45\x56\x67\x00\x02\x78\x00\x02\x05\x01\x02\x78\x00\x00\x09\x1E\x00\x01"s;
const std::string kExample4 =
    "\x03\x04\x05\x06\x00\x06\x45\x56\x67\x00\x04\x78\x00\x02\x05\x01\x04\x78\x00\x00\x09\x1E\x00\x01"s;

std::string rows_of(const std::vector<std::uint8_t>& pixels, std::size_t width) {
  const char* digits = "0123456789ABCDEF";
  std::string text;
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    if (i > 0 && i % width == 0) text += '/';
    if (pixels[i] > 15) text += digits[pixels[i] >> 4U];
    text += digits[pixels[i] & 15U];
  }
  return text;
}

/// A BMP whose palette has the grey `index * scale` at each index.
std::string bmp(int width, int height, int bits, int compression, int scale, const std::string& data) {
  const auto number = [](std::uint32_t value, int bytes) {
    std::string out;
    for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
    return out;
  };
  const std::uint32_t colors = 1U << bits;
  std::string palette;
  for (std::uint32_t i = 0; i < colors; ++i) {
    palette += std::string(3, static_cast<char>(i * static_cast<std::uint32_t>(scale))) + '\0';
  }
  return "BM" + number(0, 8) + number(54 + colors * 4, 4) + number(40, 4) +
         number(static_cast<std::uint32_t>(width), 4) + number(static_cast<std::uint32_t>(height), 4) + number(1, 2) +
         number(static_cast<std::uint32_t>(bits), 2) + number(static_cast<std::uint32_t>(compression), 4) +
         std::string(20, '\0') + palette + data;
}

}  // namespace

TEST_CASE("runs, pixels as they are, moves and ends of lines expand as in Microsoft's examples") {
  const auto eight = image::expand_rle(std::as_bytes(std::span(kExample8)), Rle::k8, 20, 3);
  REQUIRE(eight);
  CHECK(rows_of(*eight, 20) ==
        "444"
        "66666"
        "455667"
        "7878"
        "0000000/" +
            std::string(18, '0') + "7878/" + "1E1E1E1E1E1E1E1E1E" + std::string(11, '0'));
  const auto four = image::expand_rle(std::as_bytes(std::span(kExample4)), Rle::k4, 27, 3);
  REQUIRE(four);
  CHECK(rows_of(*four, 27) ==
        "040"
        "06060"
        "455667"
        "7878"
        "000000000/" +
            std::string(23, '0') + "7878/" + "1E1E1E1E1" + std::string(18, '0'));
}

TEST_CASE("runs that leave their row or the picture are cut") {
  const auto expanded = image::expand_rle(test::to_bytes("\x09\x01\0\0\x02\x02\xFF\x03"s), Rle::k8, 3, 2);
  REQUIRE(expanded);
  CHECK(rows_of(*expanded, 3) == "111/223");
  CHECK(image::expand_rle(test::to_bytes("\0\x02\xFF\xFF"s), Rle::k8, 3, 2));
}

TEST_CASE("run-length data that is cut is refused as cut, wherever") {
  for (std::size_t size = 0; size + 2 < kExample8.size(); ++size) {
    INFO(size);
    const auto cut = image::expand_rle(std::as_bytes(std::span(kExample8)).first(size), Rle::k8, 20, 3);
    REQUIRE_FALSE(cut);
    CHECK(cut.error().failure == DecodeFailure::kTruncated);
  }
}

TEST_CASE("a run-length encoded BMP is read with its palette, the last row first") {
  const auto eight = image::decode(test::to_bytes(bmp(2, 2, 8, 1, 1, "\x02\x10\0\0\x01\x20\x01\x30\0\x01"s)));
  REQUIRE(eight);
  CHECK(eight->image.pixels == std::vector<std::uint8_t>{0x20, 0x20, 0x20, 0x30, 0x30, 0x30, 16, 16, 16, 16, 16, 16});
  const auto four = image::decode(test::to_bytes(bmp(2, 1, 4, 2, 16, "\x02\x5A\0\x01"s)));
  REQUIRE(four);
  CHECK(four->image.pixels == std::vector<std::uint8_t>{0x50, 0x50, 0x50, 0xA0, 0xA0, 0xA0});
}

TEST_CASE("a run-length encoding that does not fit the depth, or stands on its head, is refused as damaged") {
  for (const std::string& file : {bmp(2, 1, 8, 2, 1, "\x02\x10\0\x01"s), bmp(2, 1, 4, 1, 1, "\x02\x10\0\x01"s),
                                  bmp(2, -1, 8, 1, 1, "\x02\x10\0\x01"s)}) {
    const auto decoded = image::decode(test::to_bytes(file));
    REQUIRE_FALSE(decoded);
    CHECK(decoded.error().failure == DecodeFailure::kCorrupt);
  }
}

TEST_CASE("a compressed BMP takes a byte a pixel, which is known from its header") {
  const auto file = test::to_bytes(bmp(11, 3, 8, 1, 1, kExample8));
  image::DecodeLimits limits;
  limits.max_memory = 33;
  CHECK(image::decode(file, limits));
  limits.max_memory = 32;
  CHECK(image::decode(file, limits).error().failure == DecodeFailure::kNeedsMemory);
}
