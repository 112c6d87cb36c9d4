#include "operator/registry/manifest.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "operator/registry/kept_members.hpp"

using namespace imageclassifier;
using namespace imageclassifier::registry;

namespace {

const std::string kDigest = "sha256:" + std::string(64, 'a');

std::string platforms(const Manifest& manifest) {
  std::string list;
  for (const Platform& platform : manifest.platforms) list += to_string(platform) + " ";
  return list;
}

}  // namespace

TEST_CASE("an index tells its platforms, without attestations and each once") {
  const auto index = parse_manifest("application/vnd.oci.image.index.v1+json; charset=utf-8", R"({"manifests": [
    {"platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
    {"platform": {"os": "linux", "architecture": "amd64"}}, {"platform": {"os": "linux", "architecture": "amd64"}},
    {"platform": {"os": "unknown", "architecture": "unknown"}}, {"platform": {"os": "<b>", "architecture": "x"}}, 7, {}]})");
  REQUIRE(index);
  CHECK(index->is_index);
  CHECK(platforms(*index) == "linux/amd64 linux/arm64/v8 ");
}

TEST_CASE("a single image names its configuration, which tells the platform") {
  const std::string body = R"({"schemaVersion": 2, "config": {"digest": ")" + kDigest + R"("}, "layers": []})";
  for (const char* type : {"application/vnd.docker.distribution.manifest.v2+json", "text/plain", ""}) {
    const auto image = parse_manifest(type, body);
    REQUIRE(image);
    CHECK_FALSE(image->is_index);
    CHECK(image->configuration == kDigest);
  }
  CHECK(to_string(*parse_configuration(R"({"os": "linux", "architecture": "amd64", "config": {}})")) == "linux/amd64");
  CHECK(parse_configuration("{}").error().code == ErrorCode::kDataLoss);
  CHECK(parse_configuration("[").error().code == ErrorCode::kDataLoss);
}

TEST_CASE("what is no image is told from what is no manifest") {
  CHECK(parse_manifest("text/plain", "404 page not found").error().code == ErrorCode::kDataLoss);
  CHECK(parse_manifest("application/json", R"({"schemaVersion": 1, "fsLayers": []})").error().code ==
        ErrorCode::kUnsupported);
  CHECK(parse_manifest("application/vnd.oci.image.manifest.v1+json", R"({"config": {"digest": "sha256:short"}})")
            .error()
            .code == ErrorCode::kUnsupported);
}

TEST_CASE("a document is read for what is asked of it, however much else it holds") {
  std::string many = R"({"os": "linux", "architecture": "amd64", "history": [)";
  while (many.size() < (1U << 20U)) many += R"({"": {}},)";
  many += "{}]}";
  CHECK(parse_configuration(many) == Platform{"linux", "amd64", ""});
  std::string index = R"({"mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [)";
  while (index.size() < (1U << 20U)) index += R"({"platform": {"os": "linux", "architecture": "arm64"}},)";
  index += "{}]}";
  CHECK(parse_manifest("", index)->platforms == std::vector<Platform>{{"linux", "arm64", ""}});
  const std::string chart =
      R"({"config": {"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": ")" + kDigest + "\"}}";
  CHECK(parse_manifest("application/vnd.oci.image.manifest.v1+json", chart).error().code == ErrorCode::kUnsupported);
  CHECK_FALSE(parse_configuration(std::string(3U << 20U, ' ')));
  const auto values =
      parse_kept("[[1, 2], {\"a\": 3, \"b\": 4}]", [](int, const std::string& key) { return key == "b"; });
  CHECK(values.dump() == R"([[1,2],{"b":4}])");
  CHECK(parse_kept(
            "[1, 2, 3]", [](int, const std::string&) { return true; }, 3)
            .dump() == "[1,2]");
}

TEST_CASE("digests are of one kind and spelling") {
  CHECK(is_digest(kDigest));
  CHECK(is_digest(digest_of("")));
  for (const std::string& bad : {"sha256:" + std::string(64, 'A'), "sha256:" + std::string(63, 'a'),
                                 "sha512:" + std::string(64, 'a'), std::string()}) {
    CHECK_FALSE(is_digest(bad));
  }
}
