#include <catch2/catch.hpp>
#include <filesystem>
#include <random>
#include <string>

#include "inference-server/image/decoder.hpp"
#include "inference-server/preprocess/preprocess.hpp"
#include "tests/inference-server/support/jpeg_writer.hpp"
#include "tests/inference-server/support/pictures.hpp"
#include "tests/support/peak_memory.hpp"

using namespace imageclassifier;

namespace {

/// Row by row to the crop, and the whole picture first: to the same bits, or with the same refusal.
void check_same(const std::vector<std::byte>& file, const preprocess::TransformSpec& spec,
                const image::DecodeOptions& options) {
  const auto whole = image::decode(file, {}, options);
  const auto rows = preprocess::preprocess_file(file, spec, {{}, options, nullptr});
  REQUIRE(whole.has_value() == rows.has_value());
  if (!whole) {
    CHECK(rows.error().failure == whole.error().failure);
    return;
  }
  CHECK(rows->info.format == whole->info.format);
  CHECK(rows->info.width == whole->info.width);
  CHECK(rows->info.height == whole->info.height);
  CHECK(rows->info.orientation_applied == whole->info.orientation_applied);
  const bool same = rows->input.values == preprocess::preprocess(*whole, spec).values;
  CHECK(same);  // never printed: thousands of numbers
}

}  // namespace

TEST_CASE("row by row every picture of the corpus becomes what the whole picture becomes, exact and fast") {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(test::kGoldens + "corpus")) {
    INFO(entry.path());
    const auto file = test::read_file(entry.path());
    for (const preprocess::TransformSpec& spec :
         {preprocess::TransformSpec{.resize = 24, .crop = 16}, preprocess::TransformSpec{.resize = 9, .crop = 5}}) {
      check_same(file, spec, {});
      image::DecodeOptions fast;
      fast.least_shorter_side = spec.resize;
      check_same(file, spec, fast);
      ++count;
    }
  }
  CHECK(count >= 400);
}

TEST_CASE("the columns and rows that a JPEG is read for are those of the whole, of any kind, scale and crop") {
  std::mt19937 random(11);
  const auto any = [&](int low, int high) { return std::uniform_int_distribution<>(low, high)(random); };
  for (int round = 0; round < 240; ++round) {
    const int width = any(1, round % 8 == 0 ? 900 : 260);
    const int height = any(1, 260);
    const test::JpegKind kind{.quality = any(40, 98),
                              .across = any(1, 4),
                              .down = any(1, 2),
                              .grey = round % 9 == 0,
                              .progressive = round % 5 == 0,
                              .one_scan_each = round % 7 == 0 && round % 5 != 0,
                              .arithmetic = round % 11 == 0,
                              .optimised = round % 3 == 0 && round % 11 != 0,
                              .restart = round % 4 == 0 ? static_cast<unsigned>(any(1, 9)) : 0};
    const auto flat = test::write_jpeg(test::noise(width, height, static_cast<std::uint32_t>(round)), kind);
    const auto file = test::with_orientation(flat, any(1, 8));
    const int resize = any(4, 90);
    const preprocess::TransformSpec spec{.resize = resize, .crop = any(1, resize)};
    image::DecodeOptions options;
    options.least_shorter_side = round % 2 == 0 ? 0 : any(1, 2 * resize);
    INFO(round << ": " << width << " x " << height << ", sampling " << kind.across << " x " << kind.down << ", resize "
               << resize << ", crop " << spec.crop << ", least " << options.least_shorter_side);
    check_same(file, spec, options);
    const auto cut = static_cast<std::size_t>(any(2, static_cast<int>(file.size()) - 1));
    check_same({file.begin(), file.begin() + static_cast<std::ptrdiff_t>(cut)}, spec, options);
    check_same({file.begin(), file.end() - 1}, spec, options);
  }
}

TEST_CASE("a photo of twelve million pixels becomes its crop in the memory of some rows, turned or not") {
  const image::Image flat{4000, 3000, std::vector<std::uint8_t>(std::size_t{4000} * 3000 * 3, 90)};
  const auto file = test::write_jpeg(flat, {});
  for (const int orientation : {1, 6}) {
    INFO("orientation " << orientation);
    const auto turned = test::with_orientation(file, orientation);
    const testing::PeakMemory memory;
    const auto prepared = preprocess::preprocess_file(turned, preprocess::kImagenetV2);
    REQUIRE(prepared);
    CHECK(prepared->info.width == (orientation == 1 ? 4000 : 3000));
    CHECK(memory.grown_megabytes() < 4 + testing::kSanitizerMegabytes);  // the whole takes 36
  }
}
