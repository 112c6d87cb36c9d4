#include "inference-server/demo/pictures.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <set>

using namespace imageclassifier;
using demo::PictureSet;

TEST_CASE("a seed means the same picture, and sets, seeds, labels and indices other ones") {
  const auto picture = demo::draw_jpeg(2, PictureSet::kFitting, 1, 0);
  CHECK(picture == demo::draw_jpeg(2, PictureSet::kFitting, 1, 0));
  const std::set<std::vector<std::byte>> different{
      picture, demo::draw_jpeg(2, PictureSet::kHeldOut, 1, 0), demo::draw_jpeg(2, PictureSet::kFitting, 2, 0),
      demo::draw_jpeg(2, PictureSet::kFitting, 1, 1), demo::draw_jpeg(3, PictureSet::kFitting, 1, 0)};
  CHECK(different.size() == 5);
}

TEST_CASE("there are at least ten classes with names that are folders, and each draws a whole picture") {
  CHECK(demo::labels().size() >= 10);
  for (std::size_t label = 0; label < demo::labels().size(); ++label) {
    CHECK(demo::labels()[label].find_first_not_of("abcdefghijklmnopqrstuvwxyz-") == std::string::npos);
    const auto decoded = image::decode(demo::draw_jpeg(static_cast<int>(label), PictureSet::kHeldOut, 1, 0));
    REQUIRE(decoded);
    CHECK(decoded->image.width >= 160);
    CHECK(decoded->image.height <= 420);
  }
}

TEST_CASE("pictures are written into a folder per label") {
  demo::DrawOptions options;
  options.output = (std::filesystem::temp_directory_path() / ("pictures-" + std::to_string(::getpid()))).string();
  options.per_class = 1;
  const auto count = demo::draw_pictures(options);
  REQUIRE(count);
  CHECK(*count == static_cast<int>(demo::labels().size()));
  CHECK(std::filesystem::file_size(options.output + "/heart/heart-000.jpg") > 1000);
  std::filesystem::remove_all(options.output);
  options.output = "/proc/nowhere";
  CHECK_FALSE(demo::draw_pictures(options));
}
