#include <catch2/catch.hpp>
#include <random>
#include <string>

#include "inference-server/image/decoder.hpp"
#include "tests/inference-server/support/jpeg_writer.hpp"
#include "tests/inference-server/support/pictures.hpp"

using namespace imageclassifier;

namespace {

/// Whether both refuse, or both decode to the same pixels.
bool as_libjpeg(const std::vector<std::byte>& file) {
  image::DecodeLimits limits;
  limits.max_pixels = 1'000'000;
  const auto ours = image::decode(file, limits, {.apply_orientation = false});
  const auto theirs = test::read_jpeg(file);
  return ours.has_value() == theirs.has_value() && (!ours || ours->image.pixels == *theirs);
}

}  // namespace

TEST_CASE("the bits of a JPEG become libjpeg's coefficients, whatever its tables, sampling and restarts") {
  std::mt19937 random(5);
  const auto any = [&](int low, int high) { return std::uniform_int_distribution<>(low, high)(random); };
  for (int round = 0; round < 150; ++round) {
    const test::JpegKind kind{.quality = any(1, 100),
                              .across = any(1, 4),
                              .down = any(1, 2),
                              .grey = round % 9 == 0,
                              .progressive = false,
                              .one_scan_each = round % 13 == 0,
                              .arithmetic = false,
                              .optimised = round % 3 == 0,
                              .restart = round % 4 == 0 ? static_cast<unsigned>(any(1, 9)) : 0};
    image::Image picture = test::noise(any(1, 150), any(1, 90), static_cast<std::uint32_t>(round));
    if (round % 2 == 0) {
      // Whole ranges of blocks that are flat: the shortest codes and long runs of zeros.
      for (std::uint8_t& sample : picture.pixels) sample = static_cast<std::uint8_t>(sample < 250 ? 128 : sample);
    }
    INFO(round << ": quality " << kind.quality);
    const auto file = test::write_jpeg(picture, kind);
    REQUIRE(test::read_jpeg(file));
    REQUIRE(as_libjpeg(file));
  }
}

TEST_CASE("damaged bits of a JPEG are refused, or decoded, as libjpeg does") {
  std::mt19937 random(6);
  const auto any = [&](std::size_t low, std::size_t high) {
    return std::uniform_int_distribution<std::size_t>(low, high)(random);
  };
  int refused = 0;
  int decoded = 0;
  for (std::size_t round = 0; round < 1'500; ++round) {
    const test::JpegKind kind{.quality = 60, .optimised = round % 3 == 0, .restart = round % 4 == 0 ? 2U : 0U};
    auto file = test::write_jpeg(test::noise(40, 30, static_cast<std::uint32_t>(round)), kind);
    const std::size_t changes = any(1, 3);
    for (std::size_t i = 0; i < changes; ++i) {
      const std::byte fresh = round % 5 == 0 ? std::byte{0xFF} : static_cast<std::byte>(any(0, 255));
      file[any(round % 10 == 0 ? 20 : 620, file.size() - 1)] = fresh;
    }
    if (round % 7 == 0) file.resize(any(630, file.size()));
    INFO(round);
    REQUIRE(as_libjpeg(file));
    (test::read_jpeg(file) ? decoded : refused) += 1;
  }
  CHECK(refused >= 100);
  CHECK(decoded >= 100);
}
