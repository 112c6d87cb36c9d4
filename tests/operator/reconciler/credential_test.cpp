#include "operator/reconciler/credential.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "operator/reconciler/observe.hpp"
#include "operator/registry/docker_config.hpp"
#include "tests/operator/reconciler/fixtures.hpp"

using namespace imageclassifier;
using namespace imageclassifier::reconciler;
using namespace imageclassifier::reconciler::testing;
using nlohmann::json;

namespace {

constexpr const char* kExisting = R"({"registry": {"auth": {"existingSecret": {"name": "mine"}}}})";

std::string reason(const World& world) {
  return std::string(assess_credential(world.observed, kNow).finding.name());
}

World with_secret(const char* spec, const std::string& type, const json& data) {
  World world(spec);
  world.observed.source_secret = parse_secret(json{{"type", type}, {"data", data}}.dump());
  return world;
}

std::string encoded(const std::string& text) {
  return registry::base64_encode(text);
}

}  // namespace

TEST_CASE("the node's identity needs nothing") {
  CHECK(reason(World()) == "NodeIdentity");
  CHECK(assess_credential(World().observed, kNow).usable);
}

TEST_CASE("a basic credential becomes a docker configuration for the image's server") {
  const auto result = assess_credential(World(kBasic).basic_secret("pass\n").observed, kNow);
  CHECK(result.finding.name() == "Minted");
  CHECK(result.server == "contoso.azurecr.io");
  const json config = json::parse(*registry::base64_decode(result.docker_config->reveal()));
  CHECK(config["auths"]["contoso.azurecr.io"]["password"] == "pass");  // without the file's line end
  CHECK(result.finding.text().find("pass\n") == std::string::npos);
}

TEST_CASE("while pods of another server's image may come back the pull Secret opens that server too") {
  World world(kBasic);
  const auto servers = [&] {
    const auto config = assess_credential(world.observed, kNow).docker_config;
    std::string names;
    const json auths = json::parse(*registry::base64_decode(config->reveal()))["auths"];
    for (const auto& [server, entry] : auths.items())
      names += server + "=" + entry["password"].get<std::string>() + " ";
    return names;
  };
  world.basic_secret("p").settle();
  world.deployment_status(1, 1, 1).settle();
  CHECK(servers() == "contoso.azurecr.io=p ");
  world.observed.classifier.spec.image = "fabrikam.azurecr.io/next:1";
  world.basic_secret("q").settle();
  CHECK(servers() == "contoso.azurecr.io=p fabrikam.azurecr.io=q ");
  // The Deployment runs the next one, but may go back.
  CHECK(servers() == "contoso.azurecr.io=p fabrikam.azurecr.io=q ");
  world.deployment_status(1, 1, 1).settle();
  CHECK(servers() == "fabrikam.azurecr.io=q ");
}

TEST_CASE("what is wrong with a basic credential is said by name") {
  CHECK(reason(World(kBasic)) == "SecretNotFound");
  CHECK(reason(with_secret(kBasic, "Opaque", {{"username", encoded("u")}})) == "SecretMalformed");
  CHECK(reason(with_secret(kBasic, "Opaque", {{"username", encoded("u")}, {"password", ""}})) == "SecretMalformed");
  CHECK(reason(with_secret(kBasic, "Opaque", {{"username", encoded("u")}, {"password", "?"}})) == "SecretMalformed");
}

TEST_CASE("a credential that no header can hold is refused, as each question to a registry would keep it") {
  CHECK(reason(World(kBasic).basic_secret(std::string(20'000, 'p'))) == "SecretMalformed");
}

TEST_CASE("the user's own pull Secret is checked and used as it is") {
  const std::string type = "kubernetes.io/dockerconfigjson", key = ".dockerconfigjson";
  const auto config = [](const char* server) {
    return encoded(std::string(R"({"auths":{")") + server + R"(":{"auth":"dTpw"}}})");
  };
  CHECK(reason(World(kExisting)) == "SecretNotFound");
  CHECK(reason(with_secret(kExisting, type, {{key, config("contoso.azurecr.io")}})) == "UserProvided");
  CHECK(reason(with_secret(kExisting, type, {{key, config("other.azurecr.io")}})) == "ServerMismatch");
  CHECK(reason(with_secret(kExisting, "Opaque", {{key, config("contoso.azurecr.io")}})) == "SecretMalformed");
  CHECK(reason(with_secret(kExisting, type, {{key, encoded("x")}})) == "SecretMalformed");
  CHECK(reason(with_secret(kExisting, type, json::object())) == "SecretMalformed");
}

TEST_CASE("a malformed image name is found before anything else") {
  CHECK(reason(World(R"({"image": "contoso.azurecr.io/Upper Case"})")) == "InvalidReference");
}
