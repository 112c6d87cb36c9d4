#include "inference-server/model/checksums.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "inference-server/model/manifest.hpp"
#include "inference-server/model/quantising.hpp"
#include "inference-server/model/seeded_weights.hpp"
#include "inference-server/model/weights_file.hpp"

using namespace imageclassifier;

namespace {

/// The bytes of a file that `write` wrote.
template <typename Write>
std::vector<std::byte> written(Write&& write) {
  const std::string path =
      (std::filesystem::temp_directory_path() / ("checksums-" + std::to_string(::getpid()))).string();
  REQUIRE(write(path));
  std::ifstream in(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  std::filesystem::remove(path);
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

/// Flips the lowest bit in the middle of each tensor, one after the other.
void expect_all_noticed(std::vector<std::byte> file) {
  const auto parsed = model::parse_safetensors(file);
  REQUIRE(parsed);
  REQUIRE(model::check_tensors(*parsed));
  REQUIRE(parsed->tensors.size() > 60);
  for (const auto& [name, tensor] : parsed->tensors) {
    std::byte& middle = file[static_cast<std::size_t>(tensor.data.data() - file.data()) + tensor.data.size() / 2];
    middle ^= std::byte{1};
    const model::Safetensors one{{{name, tensor}}, parsed->metadata};
    const auto found = model::check_tensors(one);
    middle ^= std::byte{1};
    INFO(name);
    REQUIRE_FALSE(found);
    CHECK(found.error().code == ErrorCode::kInvalidArgument);
    CHECK_THAT(found.error().message, Catch::Contains("tensor " + name + " is not as it was written"));
    CHECK(model::check_tensors(one));
  }
}

}  // namespace

TEST_CASE("one flipped bit in any tensor of a float32 or int8 file is found, and the tensor named") {
  const auto architecture = *model::find_architecture("resnet18");
  const auto weights = model::make_seeded_weights(architecture, 3, 7);
  const auto tensors = model::as_bytes(weights);
  model::Manifest manifest;
  manifest.architecture = "resnet18";
  expect_all_noticed(
      written([&](const std::string& path) { return model::write_weights(path, architecture, 3, tensors, manifest); }));
  const auto quantised = model::quantise(architecture, 3, tensors);
  expect_all_noticed(written([&](const std::string& path) {
    return model::write_quantised(path, architecture, quantised, model::to_metadata(manifest));
  }));
}

TEST_CASE("a changed, missing or renamed member of a manifest is found; a calibration is left out instead") {
  model::Manifest manifest;
  manifest.labels = {"a", "b"};
  manifest.calibration = model::Calibration{.ranges = {{"conv1", 1.5F}}, .logits = {{1, 2}}};
  auto metadata = model::to_metadata(manifest);
  metadata[model::kChecksums] = model::make_checksums({}, metadata);
  const auto whole = model::parse_manifest(metadata);
  REQUIRE(whole);
  CHECK(whole->calibration);
  CHECK_FALSE(whole->calibration_damaged);
  for (const std::string member : {"crop", "mean", "labels_sha256", "precision", "temperature"}) {
    auto damaged = metadata;
    damaged.at(member).back() = static_cast<char>(damaged.at(member).back() ^ 1);
    const auto found = model::parse_manifest(damaged);
    REQUIRE_FALSE(found);
    CHECK_THAT(found.error().message, Catch::Contains("\"" + member + "\" of its manifest is not as it was written"));
    damaged.erase(member);
    CHECK_FALSE(model::parse_manifest(damaged));
  }
  auto other_range = metadata;
  other_range.at("calibration").replace(other_range.at("calibration").find("1.5"), 3, "1.4");
  auto no_json = metadata;
  no_json.at("calibration").front() = 'z';
  auto renamed = metadata;
  renamed["calibratioo"] = metadata.at("calibration");
  renamed.erase("calibration");
  for (const auto& damaged : {other_range, no_json, renamed}) {
    const auto found = model::parse_manifest(damaged);
    REQUIRE(found);
    CHECK_FALSE(found->calibration);
    CHECK(found->calibration_damaged);
  }
  for (const std::string none : {"", "[]", "{}", R"({"manifest": []})"}) {
    metadata[model::kChecksums] = none;
    CHECK_THAT(model::parse_manifest(metadata).error().message, Catch::Contains("its list of checksums"));
  }
}

TEST_CASE("a file without checksums is not checked; a tensor that has none in a file with them is damaged") {
  const std::vector<std::byte> data(8);
  const model::Safetensors file{{{"a", {"F32", {2}, data}}}, {}};
  CHECK(model::check_tensors(file));
  CHECK(model::check_members({{"crop", "224"}}, ""));
  const model::Safetensors with{file.tensors, {{model::kChecksums, model::make_checksums({}, {})}}};
  CHECK_FALSE(model::check_tensors(with));
  // XXH3's own test vector, so that others can write the member.
  CHECK(model::make_checksums({}, {{"m", ""}}) == R"({"manifest":{"m":"2d06800538d394c2"},"tensors":{}})");
}
