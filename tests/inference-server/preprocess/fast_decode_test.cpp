#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>

#include "inference-server/image/decoder.hpp"
#include "inference-server/image/jpeg_encoder.hpp"
#include "inference-server/preprocess/preprocess.hpp"
#include "tests/inference-server/support/pictures.hpp"

using namespace imageclassifier;

namespace {

constexpr int kLeast = 2 * preprocess::kImagenetV2.resize;

image::DecodedImage decoded(const std::vector<std::byte>& file, int least_shorter_side) {
  image::DecodeOptions options;
  options.least_shorter_side = least_shorter_side;
  auto result = image::decode(file, {}, options);
  REQUIRE(result);
  return std::move(*result);
}

struct Difference {
  double mean = 0;
  int max = 0;
};

Difference difference(const image::DecodedImage& a, const image::DecodedImage& b) {
  const auto left = preprocess::resize_and_crop(a, preprocess::kImagenetV2);
  const auto right = preprocess::resize_and_crop(b, preprocess::kImagenetV2);
  REQUIRE(left.pixels.size() == right.pixels.size());
  Difference found;
  for (std::size_t i = 0; i < left.pixels.size(); ++i) {
    const int here = std::abs(left.pixels[i] - right.pixels[i]);
    found.mean += here / static_cast<double>(left.pixels.size());
    found.max = std::max(found.max, here);
  }
  return found;
}

/// Twice as wide and high, each quarter the mirror image of its neighbours.
image::Image mirrored(const image::Image& quarter) {
  image::Image whole{quarter.width * 2, quarter.height * 2, {}};
  for (int y = 0; y < whole.height; ++y) {
    for (int x = 0; x < whole.width; ++x) {
      const auto at =
          static_cast<std::size_t>(std::min(y, whole.height - 1 - y)) * static_cast<std::size_t>(quarter.width) +
          static_cast<std::size_t>(std::min(x, whole.width - 1 - x));
      whole.pixels.insert(whole.pixels.end(), &quarter.pixels[at * 3], &quarter.pixels[at * 3] + 3);
    }
  }
  return whole;
}

void check_alike(const image::Image& photo) {
  const auto file = image::encode_jpeg(photo, 88);
  const auto exact = decoded(file, 0);
  const auto fast = decoded(file, kLeast);
  INFO(photo.width << " x " << photo.height << " decoded as " << fast.image.width << " x " << fast.image.height);
  CHECK(fast.info.width == photo.width);
  CHECK(fast.info.height == photo.height);
  CHECK(fast.image.width < photo.width);
  CHECK(std::min(fast.image.width, fast.image.height) >= kLeast);
  const Difference found = difference(exact, fast);
  INFO("mean " << found.mean << ", max " << found.max);
  CHECK(found.mean <= 0.3);
  CHECK(found.max <= 3);
}

}  // namespace

TEST_CASE("the fast decode of a large photo differs from the exact one by at most 3 of 255, 0.3 on average") {
  // Scales of 2 to 7 eighths, twice as large a picture as 2 would do for, sides that the scale divides and others.
  const image::Image quarter = mirrored(test::photo(1000, 930, 3));
  check_alike(mirrored(quarter));
  check_alike(quarter);
  check_alike(mirrored(test::photo(623, 621, 3)));
  for (const auto& [width, height] :
       {std::pair{941, 931}, std::pair{801, 783}, std::pair{700, 640}, std::pair{563, 901}}) {
    check_alike(test::photo(width, height, 3));
  }
}

TEST_CASE("the fast decode of a turned photo covers the same part of it") {
  const auto file = image::encode_jpeg(test::photo(1003, 801, 4), 88);
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const auto turned = test::with_orientation(file, orientation);
    const auto exact = decoded(turned, 0);
    const auto fast = decoded(turned, kLeast);
    CHECK(exact.info.orientation_applied == (orientation != 1));
    CHECK(fast.image.pixels.size() < exact.image.pixels.size() / 2);
    const Difference found = difference(exact, fast);
    INFO("orientation " << orientation << ": mean " << found.mean << ", max " << found.max);
    CHECK(found.mean <= 0.3);
    CHECK(found.max <= 3);
  }
}

TEST_CASE("a picture of ImageNet's usual size is decoded alike, fast or exact") {
  for (const auto& [width, height] : {std::pair{500, 375}, std::pair{375, 500}, std::pair{463, 900}}) {
    const auto file = image::encode_jpeg(test::photo(width, height, 5), 88);
    CHECK(decoded(file, 0).image.pixels == decoded(file, kLeast).image.pixels);
  }
}

TEST_CASE("what is stored can be had as it is stored: no orientation, no white") {
  image::DecodeOptions stored;
  stored.apply_orientation = false;
  const auto flat = image::encode_jpeg(test::photo(40, 30, 6), 88);
  const auto plain = image::decode(test::with_orientation(flat, 6), {}, stored);
  REQUIRE(plain);
  CHECK(plain->image.pixels == decoded(flat, 0).image.pixels);
  CHECK_FALSE(plain->info.orientation_applied);
  CHECK(plain->info.width == 40);

  const auto clear = test::read_file(test::kGoldens + "pictures/rgba.png");
  image::DecodeOptions drop;
  drop.composite_alpha = false;
  const auto dropped = image::decode(clear, {}, drop);
  REQUIRE(dropped);
  CHECK(dropped->info.alpha);
  // rgba.png has the colours of rgb.png and noise as alpha.
  CHECK(dropped->image.pixels == decoded(test::read_file(test::kGoldens + "pictures/rgb.png"), 0).image.pixels);
  CHECK(dropped->image.pixels != decoded(clear, 0).image.pixels);
}
