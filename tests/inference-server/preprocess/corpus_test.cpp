#include <catch2/catch.hpp>
#include <fstream>
#include <map>
#include <numeric>
#include <string>

#include "common/sha256.hpp"
#include "inference-server/image/decoder.hpp"
#include "inference-server/preprocess/preprocess.hpp"
#include "tests/inference-server/support/pictures.hpp"

using namespace imageclassifier;

namespace {

/// A line of corpus.txt; make_corpus.py says what its members are.
struct Entry {
  std::string name;
  std::string format;
  int frames = 0;
  bool alpha = false;
  preprocess::TransformSpec spec;
  long sum = 0;
  std::string sha256;
};

std::vector<Entry> corpus() {
  std::ifstream list(test::kGoldens + "corpus.txt");
  std::vector<Entry> entries;
  for (Entry entry; list >> entry.name >> entry.format >> entry.frames >> entry.alpha >> entry.spec.resize >>
                    entry.spec.crop >> entry.sum >> entry.sha256;) {
    entries.push_back(entry);
  }
  REQUIRE(entries.size() >= 400);
  return entries;
}

std::vector<std::byte> file_of(const Entry& entry) {
  return test::read_file(test::kGoldens + "corpus/" + entry.name);
}

constexpr image::DecodeOptions kAsPillow{.apply_orientation = false, .composite_alpha = false, .least_shorter_side = 0};

}  // namespace

TEST_CASE("pictures of every kind become Pillow's pixels, to the bit, from the file to the crop") {
  for (const Entry& entry : corpus()) {
    INFO(entry.name << ", resize " << entry.spec.resize << ", crop " << entry.spec.crop);
    const auto decoded = image::decode(file_of(entry), {}, kAsPillow);
    if (!decoded) {
      FAIL_CHECK(decoded.error().message);
      continue;
    }
    CHECK(decoded->info.format == entry.format);
    CHECK(decoded->info.frames == entry.frames);
    CHECK(decoded->info.alpha == entry.alpha);
    const image::Image crop = preprocess::resize_and_crop(*decoded, entry.spec);
    const long sum = std::accumulate(crop.pixels.begin(), crop.pixels.end(), 0L);
    INFO("mean difference to Pillow's crop: "
         << static_cast<double>(sum - entry.sum) / static_cast<double>(crop.pixels.size()) << " of 255");
    CHECK(sha256_hex(std::as_bytes(std::span(crop.pixels))) == entry.sha256);
  }
}

TEST_CASE("the header alone tells of every kind what decoding does") {
  for (const Entry& entry : corpus()) {
    INFO(entry.name);
    const auto file = file_of(entry);
    const auto decoded = image::decode(file);
    const auto probed = image::probe(file);
    REQUIRE(decoded);
    REQUIRE(probed);
    CHECK(probed->format == decoded->info.format);
    CHECK(probed->width == decoded->image.width);
    CHECK(probed->height == decoded->image.height);
    CHECK(probed->alpha == decoded->info.alpha);
    CHECK(probed->frames == decoded->info.frames);
    CHECK(probed->orientation_applied == (entry.name.starts_with("turned")));
    CHECK(decoded->info.orientation_applied == probed->orientation_applied);
  }
}

TEST_CASE("a picture of any kind that is cut anywhere is refused as cut, never half decoded") {
  std::map<std::string, int> cut_of_kind;
  for (const Entry& entry : corpus()) {
    const std::string kind = entry.name.substr(0, entry.name.rfind('-')) + entry.format;
    if (entry.name.find("33x48") == std::string::npos && entry.name.find("17x33") == std::string::npos) continue;
    const auto file = file_of(entry);
    for (std::size_t sixteenth = 0; sixteenth < 16; ++sixteenth) {
      const auto cut = std::span(file).first(file.size() * sixteenth / 16);
      INFO(entry.name << " cut at " << sixteenth << "/16 of " << file.size() << " bytes");
      const auto decoded = image::decode(cut);
      REQUIRE_FALSE(decoded);
      // Without enough of a beginning it is no picture of any format yet.
      const bool recognised = cut.size() >= 18;
      const auto expected = cut.empty()  ? image::DecodeFailure::kEmpty
                            : recognised ? image::DecodeFailure::kTruncated
                                         : image::DecodeFailure::kUnsupportedMediaType;
      if (recognised || cut.size() < 3) CHECK(decoded.error().failure == expected);
      ++cut_of_kind[kind];
    }
  }
  CHECK(cut_of_kind.size() >= 40);
}
