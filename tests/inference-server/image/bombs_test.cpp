#include <catch2/catch.hpp>
#include <string>

#include "inference-server/image/decoder.hpp"
#include "tests/inference-server/support/pictures.hpp"
#include "tests/support/peak_memory.hpp"

using namespace imageclassifier;
using namespace std::string_literals;
using image::DecodeFailure;

namespace {

const std::string kPictures = test::kGoldens + "pictures/";

std::string text_of(const std::string& name) {
  const auto file = test::read_file(kPictures + name);
  return {reinterpret_cast<const char*>(file.data()), file.size()};
}

DecodeFailure failure_of(const std::string& file) {
  const auto decoded = image::decode(test::to_bytes(file));
  REQUIRE_FALSE(decoded);
  return decoded.error().failure;
}

std::string little_endian(std::uint32_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}

/// An intact progressive JPEG of 23 x 17 pixels, 4:2:0: the DC scan of a golden, then one coefficient of one component
/// per scan, which every block answers with one bit for "nothing".
std::string jpeg_of_scans(int count) {
  const std::string whole = text_of("progressive.jpg");
  const std::size_t first = whole.find("\xFF\xDA");
  std::size_t end = first + 2;
  while (whole[end] != '\xFF' || whole[end + 1] == '\0') ++end;
  std::string file = whole.substr(0, end);
  file += "\xFF\xC4\0\x14\x10\x01"s + std::string(15, '\0') + '\0';
  for (int scan = 1; scan < count; ++scan) {
    const char component = static_cast<char>(1 + scan % 3);
    const char coefficient = static_cast<char>(1 + scan / 3);
    file += "\xFF\xDA\0\x08\x01"s + component + '\0' + coefficient + coefficient + '\0';
    file += component == 1 ? "\0\x7F"s : "\x0F"s;  // 9 blocks; 4 blocks
  }
  return file + "\xFF\xD9";
}

}  // namespace

TEST_CASE("a flood of progressive scans is refused, a hundred are not") {
  CHECK(image::decode(test::to_bytes(jpeg_of_scans(100))));
  CHECK(failure_of(jpeg_of_scans(102)) == DecodeFailure::kTooManyScans);
  CHECK(failure_of(jpeg_of_scans(180)) == DecodeFailure::kTooManyScans);
}

TEST_CASE("a decode ends when its time is over, whichever pass it is in") {
  struct Slow {
    const char* what;
    std::string file;
    int questions;  ///< at least so many in a whole decode
  };
  const std::vector<Slow> files{{"rows of a JPEG", text_of("rgb-420.jpg"), 17},
                                {"scans of a JPEG", jpeg_of_scans(90), 90},
                                {"rows of a PNG", text_of("rgb.png"), 11},
                                {"passes of a PNG", text_of("rgba-interlaced.png"), 7 * 11}};
  for (const auto& [what, file, questions] : files) {
    INFO(what);
    int asked = 0;
    image::DecodeLimits limits;
    limits.out_of_time = [&asked] { return ++asked < 0; };
    CHECK(image::decode(test::to_bytes(file), limits));
    CHECK(asked >= questions);
    const int all = asked;
    for (const int allowed : {0, all / 2, all - 1}) {
      asked = 0;
      limits.out_of_time = [&asked, allowed] { return ++asked > allowed; };
      const auto ended = image::decode(test::to_bytes(file), limits);
      REQUIRE_FALSE(ended);
      CHECK(ended.error().failure == DecodeFailure::kOutOfTime);
      CHECK(asked == allowed + 1);
    }
  }
}

TEST_CASE("a flood of frames is refused, a thousand are not") {
  const auto thousand = image::decode(test::to_bytes(test::gif_of_frames(1'000)));
  REQUIRE(thousand);
  CHECK(thousand->info.frames == 1'000);
  CHECK(thousand->image.pixels == std::vector<std::uint8_t>{0x10, 0x20, 0x30});
  CHECK(failure_of(test::gif_of_frames(1'001)) == DecodeFailure::kTooManyFrames);
  CHECK(failure_of(test::gif_of_frames(200'000)) == DecodeFailure::kTooManyFrames);
}

TEST_CASE("a huge size in a few bytes is refused in every format, before memory is taken") {
  const std::string pixels(64, '\0');
  const std::string webp = "RIFF"s + little_endian(22 + 1'000, 4) + "WEBPVP8X" + little_endian(10, 4) +
                           little_endian(0, 4) + little_endian(16'383, 3) + little_endian(16'383, 3) + pixels;
  const std::string bmp = "BM" + little_endian(0, 8) + little_endian(54, 4) + little_endian(40, 4) +
                          little_endian(60'000, 4) + little_endian(60'000, 4) + little_endian(0x180001, 4) +
                          std::string(24, '\0') + pixels;
  const std::string gif = "GIF89a\xFF\xFF\xFF\xFF\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0;"s;
  std::string jpeg = text_of("rgb-420.jpg");
  const std::size_t frame = jpeg.find("\xFF\xC0");
  jpeg.replace(frame + 5, 4, "\xFF\x00\xFF\x00"s);
  const testing::PeakMemory memory;
  for (const std::string& bomb : {webp, bmp, gif, jpeg, test::png_header(30'000, 30'000)}) {
    INFO(bomb.substr(0, 4));
    CHECK(failure_of(bomb) == DecodeFailure::kTooLarge);
    CHECK_FALSE(image::probe(test::to_bytes(bomb)));
  }
  CHECK(memory.grown_megabytes() < 20 + testing::kSanitizerMegabytes);
}

TEST_CASE("a BMP of a size that its file cannot hold is refused before memory is taken") {
  const std::string bmp = "BM" + little_endian(0, 8) + little_endian(54, 4) + little_endian(40, 4) +
                          little_endian(7'000, 4) + little_endian(7'000, 4) + little_endian(0x180001, 4) +
                          std::string(24 + 1'000, '\0');
  const testing::PeakMemory memory;
  CHECK(failure_of(bmp) == DecodeFailure::kTruncated);
  CHECK(memory.grown_megabytes() < 20 + testing::kSanitizerMegabytes);
}

TEST_CASE("text and profiles that would inflate to gigabytes are skipped") {
  const std::string text = text_of("rgb.png");
  const std::size_t after_header = 8 + 25;
  const testing::PeakMemory memory;
  for (const char* type : {"zTXt", "iCCP", "iTXt"}) {
    const std::string bomb = text.substr(0, after_header) +
                             test::png_chunk(type, std::string("k\0\0", 3) + std::string(9'000'000, 'x')) +
                             text.substr(after_header);
    INFO(type);
    CHECK(image::decode(test::to_bytes(bomb)));
  }
  CHECK(memory.grown_megabytes() < 60 + testing::kSanitizerMegabytes);  // the file itself, a few times
}

TEST_CASE("a BMP that holds a JPEG is refused with a sentence that says so") {
  const std::string jpeg = "BM" + little_endian(0, 8) + little_endian(54, 4) + little_endian(40, 4) +
                           little_endian(2, 4) + little_endian(2, 4) + little_endian(0x80001, 4) + little_endian(4, 4) +
                           std::string(60, '\0');
  const auto decoded = image::decode(test::to_bytes(jpeg));
  REQUIRE_FALSE(decoded);
  CHECK(decoded.error().failure == DecodeFailure::kUnsupportedMediaType);
  CHECK(decoded.error().message.find("another picture") != std::string::npos);
}

TEST_CASE("a text that begins like a BMP is no picture") {
  CHECK(failure_of("BMW is a maker of cars, and this is a text about it") == DecodeFailure::kUnsupportedMediaType);
}
