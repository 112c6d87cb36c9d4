#include "operator/app/registry_config.hpp"

#include <catch2/catch.hpp>
#include <fstream>

#include "tests/support/temporary_folder.hpp"

using namespace imageclassifier;
using namespace imageclassifier::app;

TEST_CASE("the registry settings are read from a YAML file, and a refusal names it") {
  const testing::TemporaryFolder folder;
  const std::string path = folder.path() / "registry.yaml";
  const auto load = [&](const char* text) {
    std::ofstream(path) << text;
    return load_registry_config(path);
  };
  CHECK(load("servers: [registry.example.com]\n")->servers == std::vector<std::string>{"registry.example.com"});
  CHECK(load("# nothing\n")->servers.size() == 3);
  CHECK_THAT(load("servers: 7\n").error().message, Catch::Equals(path + ": servers is no list; write one."));
  CHECK_THAT(load("servers: [\n").error().message, Catch::StartsWith(path + ": Line "));
  CHECK(load_registry_config("")->servers.size() == 3);
  CHECK_THAT(load_registry_config(path + "x").error().message, Catch::Contains(path + "x"));
}
