#include "inference-server/model/manifest.hpp"

#include <catch2/catch.hpp>

using namespace imageclassifier;

TEST_CASE("a manifest survives being written and read") {
  model::Manifest manifest;
  manifest.architecture = "resnet18";
  manifest.weights = "demo";
  manifest.transform.resize = 256;
  manifest.transform.mean = {0.1F, 0.2F, 0.3F};
  manifest.labels = {"crane", "crane", "a \"quoted\" name"};
  manifest.temperature = 1.25;
  manifest.reference = model::ReferenceLogits{7, {{1.5F, -2.25e-7F}, {0, 3.1415927F}}};
  const auto read = model::parse_manifest(model::to_metadata(manifest));
  REQUIRE(read);
  CHECK(read->architecture == "resnet18");
  CHECK(read->weights == "demo");
  CHECK(read->transform.resize == 256);
  CHECK(read->transform.mean == manifest.transform.mean);
  CHECK(read->labels == manifest.labels);
  CHECK(read->temperature == 1.25);
  REQUIRE(read->reference);
  CHECK(read->reference->seed == 7);
  CHECK(read->reference->rows == manifest.reference->rows);
}

TEST_CASE("a file without metadata means ResNet101 with the V2 transform") {
  const auto manifest = model::parse_manifest({});
  REQUIRE(manifest);
  CHECK(manifest->architecture == "resnet101");
  CHECK(manifest->transform.resize == 232);
  CHECK(manifest->labels.empty());
  CHECK_FALSE(manifest->reference);
}

TEST_CASE("a malformed member is named") {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"resize", "0"},
      {"resize", "232px"},
      {"crop", "99999"},
      {"mean", "[1,2]"},
      {"mean", "[1,2,\"x\"]"},
      {"std", "[0,1,1]"},
      {"temperature", "0"},
      {"temperature", "nan"},
      {"labels", "[\"a\", 1]"},
      {"labels", "a,b"},
      {"precision", "int4"},
      {"calibration", "[]"},
      {"calibration", R"({"ranges": {"conv1": "1"}, "logits": [[1]]})"},
      {"calibration", R"({"ranges": {"conv1": 1}})"},
      {"calibration", R"({"ranges": {"conv1": 1}, "logits": [[1]], "pictures": "many"})"},
      {"reference_logits", "[]"},
      {"reference_logits", R"({"seed": -1, "rows": [[1]]})"},
      {"reference_logits", R"({"seed": 1, "rows": []})"},
      {"reference_logits", R"({"seed": 1, "rows": [[1], [1, 2]]})"},
      {"reference_logits", R"({"seed": 1, "rows": [["1"]]})"}};
  for (const auto& [member, value] : cases) {
    const auto manifest = model::parse_manifest({{member, value}});
    INFO(member << " = " << value);
    REQUIRE_FALSE(manifest);
    CHECK_THAT(manifest.error().message, Catch::Contains(member));
  }
  CHECK_FALSE(model::parse_manifest({{"labels", "[\"a\"]"}, {"labels_sha256", "0"}}));
}
