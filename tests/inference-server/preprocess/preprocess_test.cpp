#include "inference-server/preprocess/preprocess.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <random>
#include <string>

#include "common/sha256.hpp"
#include "inference-server/preprocess/resample.hpp"
#include "tests/inference-server/support/pictures.hpp"

using namespace imageclassifier;

namespace {

image::Image golden_noise(int width, int height) {
  return test::noise(width, height, static_cast<std::uint32_t>(width * 1000 + height));
}

}  // namespace

TEST_CASE("resizing equals Pillow to the bit") {
  std::ifstream list(test::kGoldens + "resample.txt");
  int width = 0, height = 0, to_width = 0, to_height = 0, count = 0;
  std::string sha256;
  while (list >> width >> height >> to_width >> to_height >> sha256) {
    ++count;
    INFO(width << " x " << height << " -> " << to_width << " x " << to_height);
    const image::Image resized = preprocess::resize_bilinear(golden_noise(width, height), to_width, to_height);
    CHECK(resized.width == to_width);
    CHECK(resized.height == to_height);
    CHECK(sha256_hex(std::as_bytes(std::span(resized.pixels))) == sha256);
  }
  CHECK(count >= 10);
}

TEST_CASE("the whole transform equals torchvision's preset to the bit, half-even crops and padding included") {
  std::ifstream list(test::kGoldens + "transform.txt");
  int width = 0, height = 0, count = 0;
  preprocess::TransformSpec spec;
  std::string sha256;
  while (list >> width >> height >> spec.resize >> spec.crop >> sha256) {
    ++count;
    INFO(width << " x " << height << ", resize " << spec.resize << ", crop " << spec.crop);
    const preprocess::Input input = preprocess::preprocess(golden_noise(width, height), spec);
    CHECK(input.width == spec.crop);
    CHECK(input.height == spec.crop);
    CHECK(sha256_hex(std::as_bytes(std::span(input.values))) == sha256);
  }
  CHECK(count >= 10);
}

TEST_CASE("a region is the same as the region of the whole") {
  const image::Image picture = golden_noise(61, 47);
  const image::Image whole = preprocess::resize_bilinear(picture, 30, 25);
  const image::Image part = preprocess::resample_bilinear(picture, 30, 25, {7, 3, 11, 9});
  for (int y = 0; y < part.height; ++y) {
    for (int i = 0; i < part.width * 3; ++i) {
      REQUIRE(part.pixels[static_cast<std::size_t>(y * part.width * 3 + i)] ==
              whole.pixels[static_cast<std::size_t>((y + 3) * 30 * 3 + 7 * 3 + i)]);
    }
  }
}

TEST_CASE("all instructions of this processor resample to the same bits") {
  std::mt19937 random(7);
  const auto any = [&](int low, int high) { return std::uniform_int_distribution<>(low, high)(random); };
  for (int round = 0; round < 300; ++round) {
    // Extreme samples as well as noise: sums that touch both ends of the range.
    image::Image picture = golden_noise(any(1, round % 10 == 0 ? 900 : 60), any(1, 60));
    if (round % 3 == 0) {
      for (std::uint8_t& sample : picture.pixels) sample = sample < 128 ? 0 : 255;
    }
    const int width = any(1, 90);
    const int height = any(1, 90);
    const int x = any(0, width - 1);
    const int y = any(0, height - 1);
    const preprocess::Region region{x, y, any(1, width - x), any(1, height - y)};
    INFO(picture.width << " x " << picture.height << " -> " << width << " x " << height << ", region " << x << " " << y
                       << " " << region.width << " x " << region.height);
    const auto scalar =
        preprocess::resample_bilinear(picture, width, height, region, preprocess::InstructionSet::kScalar);
    for (const auto set : preprocess::instruction_sets()) {
      REQUIRE(preprocess::resample_bilinear(picture, width, height, region, set).pixels == scalar.pixels);
    }
  }
}

TEST_CASE("the most extreme shape costs no more memory than its crop") {
  const image::Image line = golden_noise(1, 65'535);
  const preprocess::Input input = preprocess::preprocess(line, {});
  CHECK(input.values.size() == 3U * 224 * 224);
}
