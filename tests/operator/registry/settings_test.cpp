#include "operator/registry/settings.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/support/test_authority.hpp"

using namespace imageclassifier;
using namespace imageclassifier::registry;
using nlohmann::json;

TEST_CASE("without a word of the operator's owner only Azure's own registries and clouds count") {
  for (const json& nothing : {json(nullptr), json::object()}) {
    const auto settings = parse_settings(nothing);
    REQUIRE(settings);
    CHECK(settings->servers == std::vector<std::string>{"azurecr.io", "azurecr.us", "azurecr.cn"});
    CHECK(settings->clouds.size() == 3);
    CHECK(settings->clouds.at("USGovernment").authority == "login.microsoftonline.us");
    CHECK(settings->clouds.at("China").audience == "https://containerregistry.azure.net");
    CHECK(settings->clouds.at("Public").fallback_audience.empty());
    CHECK(settings->clouds.at("Public").servers == std::vector<std::string>{"azurecr.io"});
    CHECK(settings->clouds.at("USGovernment").servers == std::vector<std::string>{"azurecr.us"});
    CHECK(settings->clouds.at("China").servers == std::vector<std::string>{"azurecr.cn"});
    CHECK(settings->identities.empty());
  }
}

TEST_CASE("every member of the registry settings is read") {
  const testing::TestAuthority authority("test");
  const auto settings = parse_settings(
      {{"servers", {"registry.example.com:5000", "198.18.0.1:443"}},
       {"certificateAuthorities", authority.certificate_pem()},
       {"clouds",
        {{"Public", {{"fallbackAudience", "https://management.azure.com"}}},
         {"Mine", {{"authority", "login.example.com:8443"}, {"audience", "api://a"}, {"servers", {"a.example"}}}},
         {"Other", {{"authority", "login.example.com"}}},
         {"China", {{"servers", {"b.azurecr.cn"}}}}}},
       {"identities",
        {{{"namespace", "zoo"}, {"clientID", "0-A"}},
         {{"namespace", "zoo"}, {"resourceID", "/subscriptions/0-A/x_y/n.1"}}}},
       {"imds", "http://198.18.0.1:80"}});
  REQUIRE(settings);
  CHECK(settings->servers == std::vector<std::string>{"registry.example.com:5000", "198.18.0.1:443"});
  CHECK(settings->ca_pem == authority.certificate_pem());
  CHECK(settings->clouds.at("Public") == Cloud{"login.microsoftonline.com",
                                               "https://containerregistry.azure.net",
                                               "https://management.azure.com",
                                               {"azurecr.io"}});
  CHECK(settings->clouds.at("Mine") == Cloud{"login.example.com:8443", "api://a", "", {"a.example"}});
  CHECK(settings->clouds.at("Other").servers.empty());
  CHECK(settings->clouds.at("China").authority == "login.chinacloudapi.cn");
  CHECK(settings->clouds.at("China").servers == std::vector<std::string>{"b.azurecr.cn"});
  CHECK(settings->identities ==
        std::vector<ManagedIdentity>{{"zoo", "0-A", ""}, {"zoo", "", "/subscriptions/0-A/x_y/n.1"}});
  CHECK(settings->imds == "http://198.18.0.1:80");
}

TEST_CASE("what is wrong in the registry settings is named, with what to write") {
  const auto [document, message] = GENERATE(table<const char*, const char*>({
      {R"([])", "It is no mapping; write one with the members servers, clouds, "},
      {R"({"server": []})", "server is not known; the members are servers, clouds, "},
      {R"({"servers": "azurecr.io"})", "servers is no list; write one."},
      {R"({"servers": ["a.io", 7]})", "servers[1] must be a domain in lower case, such as azurecr.io"},
      {R"({"servers": ["https://a.io"]})", "servers[0] must be a domain"},
      {R"({"servers": ["io"]})", "servers[0] must be a domain"},
      {R"({"servers": ["A.io"]})", "servers[0] must be a domain"},
      {R"({"servers": [".a.io"]})", "servers[0] must be a domain"},
      {R"({"servers": ["a..io"]})", "servers[0] must be a domain"},
      {R"({"servers": ["a.io:"]})", "servers[0] must be a domain"},
      {R"({"servers": ["u@a.io"]})", "servers[0] must be a domain"},
      {R"({"certificateAuthorities": "x"})", "certificateAuthorities must be certificates in PEM."},
      {R"({"clouds": []})", "clouds is no mapping"},
      {R"({"clouds": {"A": {"audience": "https://a"}}})", "clouds.A.authority is missing"},
      {R"({"clouds": {"A": {"authority": "https://a.b"}}})", "clouds.A.authority must be the host of Entra"},
      {R"({"clouds": {"Public": {"audience": "http://a"}}})", "clouds.Public.audience must be an https:// URL"},
      {R"({"clouds": {"Public": {"servers": ["io"]}}})", "clouds.Public.servers[0] must be a domain"},
      {R"({"clouds": {"Public": {"fallback": 1}}})", "clouds.Public.fallback is not known"},
      {R"({"identities": [{"clientID": "a"}]})", "identities[0].namespace is missing"},
      {R"({"identities": [{"namespace": "a"}]})", "identities[0] must name the identity by either"},
      {R"({"identities": [{"namespace": "a", "clientID": "a", "resourceID": "/a"}]})", "identities[0] must name the"},
      {R"({"identities": [{"namespace": "a", "clientID": "a&b"}]})", "identities[0].clientID must be"},
      {R"({"imds": "https://a"})", "imds must be an http:// URL"},
  }));
  INFO(document);
  const auto settings = parse_settings(json::parse(document));
  REQUIRE_FALSE(settings);
  CHECK(settings.error().code == ErrorCode::kInvalidArgument);
  CHECK_THAT(settings.error().message, Catch::StartsWith(message));
}
