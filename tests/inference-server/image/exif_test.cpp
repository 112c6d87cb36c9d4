#include "inference-server/image/exif.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "inference-server/image/jpeg_encoder.hpp"
#include "inference-server/image/orientation.hpp"
#include "tests/inference-server/support/pictures.hpp"

using namespace imageclassifier;
using namespace std::string_literals;

namespace {

std::string little_endian_block(char orientation) {
  return "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"s + orientation + "\0\0\0\0\0\0\0"s;
}

}  // namespace

TEST_CASE("orientation is read in both byte orders") {
  CHECK(image::exif_orientation(test::to_bytes(little_endian_block(6))) == 6);
  CHECK(image::exif_orientation(test::to_bytes("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0"s)) == 8);
  CHECK(image::exif_orientation_of_app1(test::to_bytes("Exif\0\0"s + little_endian_block(3))) == 3);
}

TEST_CASE("a malformed or unknown orientation means upright") {
  for (const std::string& block : {""s, "II"s, "XX*\0\x08\0\0\0"s, "II*\0\xFF\xFF\xFF\xFF"s, little_endian_block(0),
                                   little_endian_block(9), "http://ns.adobe.com/xap/1.0/"s}) {
    CHECK(image::exif_orientation(test::to_bytes(block)) == 1);
    CHECK(image::exif_orientation_of_app1(test::to_bytes(block)) == 1);
  }
  const std::string block = little_endian_block(6);
  for (std::size_t size = 0; size < 20; ++size) {
    CHECK(image::exif_orientation(test::to_bytes(block.substr(0, size))) == (size < 20 ? 1 : 6));
  }
}

TEST_CASE("turning by 6 and back by 8 restores the picture") {
  const image::Image picture = test::noise(7, 4, 1);
  const image::Image turned = image::make_upright(picture, 6);
  CHECK(turned.width == 4);
  CHECK(turned.height == 7);
  CHECK(image::make_upright(turned, 8).pixels == picture.pixels);
}

TEST_CASE("an encoded picture decodes to nearly the same pixels") {
  image::Image flat{20, 10, std::vector<std::uint8_t>(600, 120)};
  const auto decoded = image::decode(image::encode_jpeg(flat, 95));
  REQUIRE(decoded);
  CHECK(decoded->image.pixels == flat.pixels);
  CHECK(image::encode_jpeg(image::Image{}, 90).empty());
}
