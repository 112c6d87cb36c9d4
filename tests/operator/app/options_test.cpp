#include "operator/app/options.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace imageclassifier;
using namespace imageclassifier::app;

namespace {

CommandLine parse(std::vector<const char*> words) {
  words.insert(words.begin(), "imageclassifier-operator");
  return parse_command_line(static_cast<int>(words.size()), words.data());
}

}  // namespace

TEST_CASE("without options it is the operator of all namespaces, on port 8080 of all IPv4 addresses") {
  const CommandLine line = parse({});
  CHECK(line.command == Command::kRun);
  CHECK(line.message.empty());
  CHECK(line.run.namespace_name.empty());
  CHECK(line.run.listen_address == "0.0.0.0");
  CHECK(line.run.listen_port == 8080);
}

TEST_CASE("what can be no name of a namespace is refused before anybody is asked") {
  const std::string longest(63, 'a');
  for (const std::string& good : {std::string("a"), std::string("0-0"), std::string("kube-system"), longest}) {
    INFO(good);
    CHECK(parse({"--namespace", good.c_str()}).run.namespace_name == good);
    CHECK(parse({"--leader-elect-resource-namespace", good.c_str()}).command == Command::kRun);
  }
  for (const char* option : {"--namespace", "--leader-elect-resource-namespace"}) {
    for (const std::string& bad : {std::string("a/b c"), std::string("Zoo"), std::string("-a"), std::string("a-"),
                                   std::string("a.b"), std::string("../x"), std::string("z\xc3\xbc"), longest + "a"}) {
      INFO(option << " " << bad);
      const CommandLine line = parse({option, bad.c_str()});
      CHECK(line.command == Command::kNone);
      CHECK(line.exit_code == 2);
      CHECK_THAT(line.message, Catch::StartsWith(std::string(option) + ": \"" + bad + "\" is no name of a namespace") &&
                                   Catch::Contains("at most 63"));
    }
  }
}

TEST_CASE("what can be no name of a Lease is refused before anybody is asked") {
  for (const char* name : {"a/b", "A", "-a", "a..b", ".a", ""}) {
    INFO(name);
    const CommandLine line = parse({"--leader-elect", "--leader-elect-resource-name", name});
    CHECK(line.command == Command::kNone);
    CHECK_THAT(line.message, Catch::Contains("is no name of a Lease"));
  }
  CHECK(parse({"--leader-elect", "--leader-elect-resource-name", "one.of-two"}).run.leader.name == "one.of-two");
}

TEST_CASE("an address to listen on is IPv4, IPv6 in brackets, or left out") {
  const auto [text, address, port] = GENERATE(table<std::string, std::string, int>({{"127.0.0.1:0", "127.0.0.1", 0},
                                                                                    {":9090", "0.0.0.0", 9090},
                                                                                    {"[::1]:0", "::1", 0},
                                                                                    {"[::]:65535", "::", 65535}}));
  const CommandLine line = parse({"--listen", text.c_str()});
  CHECK(line.command == Command::kRun);
  CHECK(line.run.listen_address == address);
  CHECK(line.run.listen_port == port);
}

TEST_CASE("an address to listen on that is none is refused with an example") {
  for (const char* bad : {"", "8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:8x",
                          "::1:8080", "[::1]", "[]:8080", "[127.0.0.1]:8080", "[::1:8080"}) {
    INFO(bad);
    const CommandLine line = parse({"--listen", bad});
    CHECK(line.exit_code == 2);
    CHECK_THAT(line.message, Catch::StartsWith("--listen: ") && Catch::Contains("[::]:8080 for IPv6"));
  }
}

TEST_CASE("a plan of faults and times of a lease that cannot be are refused with their option's name") {
  CHECK_THAT(parse({"--inject-faults", "post=freeze"}).message,
             Catch::StartsWith("--inject-faults: ") && Catch::Contains("happens to watches only"));
  CHECK_THAT(parse({"--leader-elect-lease-duration", "1s"}).message, Catch::StartsWith("--leader-elect-...: "));
  CHECK(parse({"--inject-faults", "watch=freeze,get=stale"}).command == Command::kRun);
}
