#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "operator/registry/docker_config.hpp"
#include "operator/registry/image_reference.hpp"

using namespace imageclassifier;
using namespace imageclassifier::registry;

TEST_CASE("image names are taken apart as container runtimes do") {
  const auto digest = "sha256:" + std::string(64, 'a');
  struct Case {
    std::string text, server, repository, tag, digest;
  };
  const Case cases[] = {
      {"contoso.azurecr.io/inference-server:1.0", "contoso.azurecr.io", "inference-server", "1.0", ""},
      {"contoso.azurecr.io/a/b/c", "contoso.azurecr.io", "a/b/c", "latest", ""},
      {"localhost:5000/x@" + digest, "localhost:5000", "x", "", digest},
      {"localhost/x:t@" + digest, "localhost", "x", "t", digest},
      {"nginx", "docker.io", "library/nginx", "latest", ""},
      {"team/app:2", "docker.io", "team/app", "2", ""},
      {"[fd00::1]:5000/x:1", "[fd00::1]:5000", "x", "1", ""},
  };
  for (const Case& one : cases) {
    INFO(one.text);
    const auto reference = parse_image_reference(one.text);
    REQUIRE(reference);
    CHECK(reference->server == one.server);
    CHECK(reference->repository == one.repository);
    CHECK(reference->tag == one.tag);
    CHECK(reference->digest == one.digest);
  }
}

TEST_CASE("malformed image names are refused") {
  for (const char* bad : {"", "a b", "contoso.azurecr.io/", "contoso.azurecr.io/Upper", "x:", "x@sha256:12", "x@md5:aa",
                          "/x", "a//b", "a..b/c/..", "-host.io/x", "host.io:port/x", "host.io:99999/x", "x:ta g",
                          "user@host.io/x", "https://host.io/x"}) {
    INFO(bad);
    CHECK(!parse_image_reference(bad));
  }
}

TEST_CASE("base64 round-trips and refuses what is none") {
  for (const std::string text : {"", "a", "ab", "abc", "abcd", "\xff\x00\x01"})
    CHECK(*base64_decode(base64_encode(text)) == text);
  CHECK(base64_encode("user:pass") == "dXNlcjpwYXNz");
  for (const char* bad : {"a", "abc", "ab=c", "====", "ab\nc", "a==="}) {
    INFO(bad);
    CHECK(!base64_decode(bad));
  }
}

TEST_CASE("the docker configuration carries the credential in all three forms") {
  const auto config =
      nlohmann::json::parse(make_docker_config("contoso.azurecr.io", Secret("u\"ser"), Secret("p:ass")).reveal());
  const auto& entry = config["auths"]["contoso.azurecr.io"];
  CHECK(entry["username"] == "u\"ser");
  CHECK(entry["password"] == "p:ass");
  CHECK(entry["auth"] == base64_encode("u\"ser:p:ass"));
}

TEST_CASE("a docker configuration is matched as the kubelet matches it") {
  const auto match = [](const std::string& key, const std::string& entry, const std::string& server) {
    return match_docker_config(Secret("{\"auths\":{\"" + key + "\":" + entry + "}}"), server);
  };
  const std::string good = R"({"auth":"dTpw"})";
  CHECK(match("contoso.azurecr.io", good, "contoso.azurecr.io") == DockerConfigMatch::kMatches);
  CHECK(match("https://contoso.azurecr.io/v2/", good, "contoso.azurecr.io") == DockerConfigMatch::kMatches);
  CHECK(match("*.azurecr.io", good, "contoso.azurecr.io") == DockerConfigMatch::kMatches);
  CHECK(match("*.io", good, "contoso.azurecr.io") == DockerConfigMatch::kNoServer);
  CHECK(match("c*o.azurecr.io", good, "contoso.azurecr.io") == DockerConfigMatch::kMatches);
  CHECK(match("https://index.docker.io/v1/", good, "docker.io") == DockerConfigMatch::kMatches);
  CHECK(match("other.azurecr.io", good, "contoso.azurecr.io") == DockerConfigMatch::kNoServer);
  CHECK(match("contoso.azurecr.io", "{}", "contoso.azurecr.io") == DockerConfigMatch::kNoServer);
  CHECK(match("contoso.azurecr.io", R"({"username":"u","password":"p"})", "contoso.azurecr.io") ==
        DockerConfigMatch::kMatches);
  CHECK(match("contoso.azurecr.io", R"({"auth":"dTp%"})", "contoso.azurecr.io") == DockerConfigMatch::kAuthInvalid);
  CHECK(match("contoso.azurecr.io", R"({"auth":"bm9uZQ=="})", "contoso.azurecr.io") == DockerConfigMatch::kAuthInvalid);
  CHECK(match_docker_config(Secret("nonsense"), "x") == DockerConfigMatch::kMalformed);
  CHECK(match_docker_config(Secret(R"({"auths":[]})"), "x") == DockerConfigMatch::kMalformed);
}

TEST_CASE("a hostile pattern of a docker configuration is matched in reasonable time") {
  std::string pattern;
  for (int i = 0; i < 2000; ++i) pattern += "*a";
  const std::string config = "{\"auths\":{\"" + pattern + "b\":{\"auth\":\"x\"}}}";
  CHECK(match_docker_config(Secret(config), std::string(2000, 'a')) == DockerConfigMatch::kNoServer);
}
