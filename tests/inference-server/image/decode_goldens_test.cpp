#include <catch2/catch.hpp>
#include <fstream>
#include <string>

#include "common/sha256.hpp"
#include "inference-server/image/decoder.hpp"
#include "tests/inference-server/support/pictures.hpp"

using namespace imageclassifier;

namespace {

struct Golden {
  std::string name;
  int width = 0;
  int height = 0;
  bool orientation_applied = false;
  bool alpha = false;
  std::string sha256;
};

}  // namespace

TEST_CASE("every kind of JPEG and PNG decodes to Pillow's pixels") {
  std::ifstream list(test::kGoldens + "pictures.txt");
  Golden golden;
  int count = 0;
  while (list >> golden.name >> golden.width >> golden.height >> golden.orientation_applied >> golden.alpha >>
         golden.sha256) {
    ++count;
    INFO(golden.name);
    const auto file = test::read_file(test::kGoldens + "pictures/" + golden.name);
    const auto decoded = image::decode(file);
    REQUIRE(decoded);
    CHECK(decoded->image.width == golden.width);
    CHECK(decoded->image.height == golden.height);
    CHECK(decoded->info.orientation_applied == golden.orientation_applied);
    CHECK(decoded->info.alpha == golden.alpha);
    CHECK(decoded->info.format == (golden.name.ends_with(".jpg") ? "jpeg" : "png"));
    CHECK(sha256_hex(std::as_bytes(std::span(decoded->image.pixels))) == golden.sha256);

    const auto info = image::probe(file);
    REQUIRE(info);
    CHECK(info->width == decoded->info.width);
    CHECK(info->height == decoded->info.height);
    CHECK(info->format == decoded->info.format);
    CHECK(info->alpha == decoded->info.alpha);
    CHECK(info->orientation_applied == decoded->info.orientation_applied);
  }
  CHECK(count >= 30);
}
