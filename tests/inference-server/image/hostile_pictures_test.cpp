#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

#include "inference-server/image/decoder.hpp"
#include "inference-server/image/jpeg_encoder.hpp"
#include "tests/inference-server/support/pictures.hpp"

using namespace imageclassifier;
using image::DecodeFailure;

namespace {

DecodeFailure failure_of(std::span<const std::byte> file, const image::DecodeLimits& limits = {}) {
  const auto decoded = image::decode(file, limits);
  REQUIRE_FALSE(decoded);
  CHECK_FALSE(decoded.error().message.empty());
  return decoded.error().failure;
}

std::vector<std::byte> operator+(std::vector<std::byte> file, const std::string& tail) {
  const auto bytes = test::to_bytes(tail);
  file.insert(file.end(), bytes.begin(), bytes.end());
  return file;
}

const std::string kPictures = test::kGoldens + "pictures/";

}  // namespace

TEST_CASE("an empty file is refused as empty") {
  CHECK(failure_of({}) == DecodeFailure::kEmpty);
}

TEST_CASE("what is no picture is refused by its content and named where it is known") {
  CHECK(failure_of(test::to_bytes("hello, world")) == DecodeFailure::kUnsupportedMediaType);
  CHECK(failure_of(test::to_bytes("\xFF\xD8")) == DecodeFailure::kUnsupportedMediaType);
  const auto pdf = image::decode(test::to_bytes("%PDF-1.7\n..."));
  REQUIRE_FALSE(pdf);
  CHECK(pdf.error().message == "This file is a PDF. Use JPEG, PNG, WebP, GIF or BMP.");
}

TEST_CASE("a huge PNG of a few bytes is refused from its header") {
  const auto bomb = test::to_bytes(test::png_header(20'000, 20'000) + test::png_chunk("IDAT", "x"));
  CHECK(failure_of(bomb) == DecodeFailure::kTooLarge);
  const auto probed = image::probe(bomb);
  REQUIRE_FALSE(probed);
  CHECK(probed.error().failure == DecodeFailure::kTooLarge);
  CHECK(probed.error().message.find("20000 x 20000") != std::string::npos);
}

TEST_CASE("sides and products are checked without overflow") {
  CHECK(failure_of(test::to_bytes(test::png_header(1, 70'000))) == DecodeFailure::kTooLarge);
  CHECK(failure_of(test::to_bytes(test::png_header(0x7FFFFFFF, 0x7FFFFFFF))) == DecodeFailure::kTooLarge);
  CHECK(failure_of(test::to_bytes(test::png_header(0, 5))) == DecodeFailure::kCorrupt);
  image::DecodeLimits limits;
  limits.max_pixels = 23 * 17 - 1;
  CHECK(failure_of(test::read_file(kPictures + "rgb-420.jpg"), limits) == DecodeFailure::kTooLarge);
  limits.max_pixels = 23 * 17;
  CHECK(image::decode(test::read_file(kPictures + "rgb-420.jpg"), limits));
}

TEST_CASE("a file cut anywhere is never a half-grey picture") {
  std::vector<std::vector<std::byte>> files;
  for (const char* name : {"rgb-420.jpg", "progressive.jpg", "cmyk.jpg", "rgb.png", "rgba-interlaced.png"}) {
    files.push_back(test::read_file(kPictures + name));
  }
  files.push_back(image::encode_jpeg(test::noise(150, 97, 4), 85));
  for (const auto& file : files) {
    REQUIRE(image::decode(file));
    for (std::size_t sixteenth = 0; sixteenth < 16; ++sixteenth) {
      const auto cut = std::span(file).first(file.size() * sixteenth / 16);
      const auto failure = failure_of(cut);
      INFO("cut at " << sixteenth << "/16 of " << file.size() << " bytes");
      CHECK((failure == DecodeFailure::kTruncated || cut.size() < 8));
    }
    CHECK(failure_of(std::span(file).first(file.size() - 1)) == DecodeFailure::kTruncated);
  }
}

TEST_CASE("bytes after the picture's end are accepted") {
  for (const char* name : {"rgb-420.jpg", "progressive.jpg", "rgb.png"}) {
    CHECK(image::decode(test::read_file(kPictures + name) + "and a film of some seconds"));
  }
}

TEST_CASE("damage inside the compressed data is refused") {
  auto jpeg = image::encode_jpeg(test::noise(150, 97, 4), 85);
  std::fill_n(jpeg.begin() + static_cast<std::ptrdiff_t>(jpeg.size() / 2), 64, std::byte{0xFF});
  CHECK(failure_of(jpeg) == DecodeFailure::kCorrupt);
  auto png = test::read_file(kPictures + "rgb.png");
  png[png.size() / 2] ^= std::byte{0x55};
  CHECK(failure_of(png) == DecodeFailure::kCorrupt);
}

TEST_CASE("an animated PNG says how many frames it has") {
  const auto file = test::read_file(kPictures + "rgb.png");
  const std::string text(reinterpret_cast<const char*>(file.data()), file.size());
  const std::string animated =
      text.substr(0, 33) + test::png_chunk("acTL", test::big_endian(7) + test::big_endian(0)) + text.substr(33);
  const auto info = image::probe(test::to_bytes(animated));
  REQUIRE(info);
  CHECK(info->frames == 7);
}
