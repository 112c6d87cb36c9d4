#include <catch2/catch.hpp>
#include <string>

#include "inference-server/image/row_sink.hpp"
#include "tests/inference-server/support/jpeg_writer.hpp"
#include "tests/inference-server/support/pictures.hpp"
#include "tests/inference-server/support/progressive_jpeg.hpp"
#include "tests/support/peak_memory.hpp"

using namespace imageclassifier;
using image::DecodeFailure;

namespace {

/// Takes every row and keeps none.
class NoRows : public image::RowSink {
 public:
  image::Part choose(const image::Frame& frame) override { return {0, 0, frame.width, frame.height}; }
  void begin(const image::Part& delivered) override { row_.resize(static_cast<std::size_t>(delivered.width) * 3 + 64); }
  std::uint8_t* slot() override { return row_.data(); }
  void push() override {}

 private:
  std::vector<std::uint8_t> row_;
};

tl::expected<image::ImageInfo, image::DecodeError> decode(const std::vector<std::byte>& file,
                                                          const image::DecodeLimits& limits) {
  NoRows rows;
  return image::decode_rows(file, rows, limits);
}

std::vector<std::byte> corpus(const std::string& name) {
  return test::read_file(test::kGoldens + "corpus/" + name);
}

struct Kind {
  const char* what;
  std::vector<std::byte> file;
  std::uint64_t bytes;  ///< that the decoder holds
};

}  // namespace

TEST_CASE("a picture of any kind that takes a byte more than the limit is refused; one that takes the limit is not") {
  const image::Image picture = test::noise(65, 63, 4);
  constexpr std::uint64_t kBlock = 128;  // 64 coefficients of 16 bits
  const std::uint64_t pixels = 65 * 63;
  const std::vector<Kind> kinds{
      {"progressive 4:2:0", test::write_jpeg(picture, {.progressive = true}), (10 * 8 + 2 * 5 * 4) * kBlock},
      {"progressive 4:4:4", test::write_jpeg(picture, {.across = 1, .down = 1, .progressive = true}), 3 * 72 * kBlock},
      {"progressive grey", test::write_jpeg(picture, {.across = 1, .down = 1, .grey = true, .progressive = true}),
       9 * 8 * kBlock},
      {"a scan each", test::write_jpeg(picture, {.one_scan_each = true}), (10 * 8 + 2 * 5 * 4) * kBlock},
      {"CMYK", test::to_bytes(test::progressive_jpeg(65, 63, 4)), 4 * 72 * kBlock},
      {"interlaced PNG", test::read_file(test::kGoldens + "pictures/rgb-interlaced.png"), 13 * 11 * 3},
      {"with alpha", test::read_file(test::kGoldens + "pictures/rgba-interlaced.png"), 13 * 11 * 4},
      {"GIF", corpus("plain-65x63.gif"), pixels},
      {"interlaced GIF", corpus("interlaced-33x48.gif"), 33 * 48},
      {"lossy WebP", corpus("lossy-65x63.webp"), 3 * pixels},
      {"lossy with alpha", corpus("lossy-alpha-65x63.webp"), (4 + 5) * pixels},
      {"lossless", corpus("lossless-33x48.webp"), (3 + 4) * 33 * 48},
      {"lossless with alpha", corpus("lossless-alpha-33x48.webp"), (4 + 4) * 33 * 48}};
  for (const auto& [what, file, bytes] : kinds) {
    INFO(what);
    std::vector<std::uint64_t> admitted;
    image::DecodeLimits limits;
    limits.admit = [&](std::uint64_t wanted) { return admitted.push_back(wanted), true; };
    limits.max_memory = bytes;
    const auto decoded = decode(file, limits);
    INFO((decoded ? "" : decoded.error().message));
    CHECK(decoded);
    CHECK(admitted == std::vector{bytes});
    limits.max_memory = bytes - 1;
    const auto refused = decode(file, limits);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().failure == DecodeFailure::kNeedsMemory);
    CHECK_THAT(refused.error().message, Catch::Contains("of memory to decode; the limit is"));
    CHECK(admitted.size() == 1);
    limits.max_memory = bytes;
    limits.admit = [](std::uint64_t) { return false; };
    CHECK(decode(file, limits).error().failure == DecodeFailure::kOutOfTime);
  }
}

TEST_CASE("baseline JPEG, plain PNG and plain BMP are decoded in passing, however large they are") {
  image::DecodeLimits limits;
  limits.max_memory = 0;
  CHECK(decode(test::write_jpeg(test::noise(65, 63, 4), {}), limits));
  CHECK(decode(test::read_file(test::kGoldens + "pictures/rgba.png"), limits));
  CHECK(decode(corpus("1-bit-17x33.bmp"), limits));
}

TEST_CASE("the memory of a huge progressive CMYK JPEG is known from its header, and none is taken") {
  const auto file = test::to_bytes(test::progressive_jpeg(7'000, 7'000, 4));
  CHECK(file.size() < 500'000);
  const testing::PeakMemory memory;
  const auto refused = decode(file, {});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().failure == DecodeFailure::kNeedsMemory);
  CHECK_THAT(refused.error().message, Catch::Contains("takes 374 MiB of memory to decode; the limit is 256 MiB. Save"));
  CHECK(memory.grown_megabytes() < 5 + testing::kSanitizerMegabytes);
}

TEST_CASE("a decoder takes what it said, and no more") {
  const auto file = test::to_bytes(test::progressive_jpeg(2'400, 2'000, 4));
  double said = 0;
  image::DecodeLimits limits;
  limits.admit = [&](std::uint64_t wanted) { return said = static_cast<double>(wanted) / 1e6, true; };
  const testing::PeakMemory memory;
  REQUIRE(decode(file, limits));
  CHECK(said == Approx(38.4));
  CHECK(memory.grown_megabytes() > said / 2);
  CHECK(memory.grown_megabytes() < said + 5 + testing::kSanitizerMegabytes);
}
