#include "operator/kubernetes/proxy.hpp"

#include <catch2/catch.hpp>
#include <map>

using namespace imageclassifier;
using namespace imageclassifier::kubernetes;

namespace {

Result<ProxyConfig> decide(const std::string& server, std::map<std::string, std::string> variables) {
  return proxy_from_environment(server, [variables](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  });
}

}  // namespace

TEST_CASE("NO_PROXY exempts what it exempts in Go programs") {
  struct Case {
    const char* rules;
    const char* host;
    const char* port;
    bool exempt;
  };
  const auto each = GENERATE(values<Case>({
      {"", "example.com", "443", false},
      {"", "localhost", "443", true},
      {"", "LOCALHOST", "443", true},
      {"", "127.9.9.9", "6443", true},
      {"", "::1", "6443", true},
      {"", "::ffff:127.0.0.1", "6443", true},
      {"*", "anything", "1", true},
      {"a.com, *", "anything", "1", true},
      {"example.com", "example.com", "443", true},
      {"example.com", "api.EXAMPLE.com", "443", true},
      {"EXAMPLE.com", "example.com", "443", true},
      {"example.com", "badexample.com", "443", false},
      {".example.com", "example.com", "443", false},
      {".example.com", "api.example.com", "443", true},
      {"*.example.com", "example.com", "443", false},
      {"*.example.com", "api.example.com", "443", true},
      {"example.com:6443", "example.com", "443", false},
      {"example.com:6443", "example.com", "6443", true},
      {"10.0.0.0/8", "10.200.3.4", "443", true},
      {"10.0.0.0/8", "11.0.0.1", "443", false},
      {"10.96.0.0/12", "10.111.255.255", "443", true},
      {"10.96.0.0/12", "10.112.0.0", "443", false},
      {"10.0.0.0/33", "10.0.0.1", "443", false},
      {"fd00::/8", "fd12::1", "443", true},
      {"fd00::/8", "fe80::1", "443", false},
      {"192.168.1.1", "192.168.1.1", "443", true},
      {"192.168.1.1:80", "192.168.1.1", "443", false},
      {"[fd00::1]:443", "fd00::1", "443", true},
      {"fd00::1", "fd00:0::1", "443", true},
      {":443", "example.com", "443", false},
      {" , ,b.com ", "b.com", "443", true},
  }));
  INFO(each.rules << " " << each.host << ":" << each.port);
  CHECK(is_exempt_from_proxy(each.rules, each.host, each.port) == each.exempt);
}

TEST_CASE("the environment's proxy is chosen by the server's scheme, upper case first") {
  CHECK(decide("https://api:6443", {{"HTTPS_PROXY", "http://a:1"}, {"https_proxy", "http://b:2"}})->url ==
        "http://a:1");
  CHECK(decide("https://api:6443", {{"https_proxy", "b"}})->url == "http://b:80");
  CHECK(decide("https://api", {{"HTTP_PROXY", "http://a:1"}, {"ALL_PROXY", "http://a:1"}})->url.empty());
  CHECK(decide("http://api", {{"HTTP_PROXY", "http://a:1"}})->url == "http://a:1");
  CHECK(decide("http://api", {{"HTTP_PROXY", "http://a:1"}, {"REQUEST_METHOD", "GET"}})->url.empty());
  CHECK(decide("https://api", {{"HTTPS_PROXY", "a:1"}, {"NO_PROXY", "api:443"}})->url.empty());
  CHECK(decide("https://[fd00::1]:6443", {{"HTTPS_PROXY", "a:1"}, {"no_proxy", "fd00::/16"}})->url.empty());
  CHECK(decide("https://127.0.0.1:6443", {{"HTTPS_PROXY", "a:1"}})->url.empty());
}

TEST_CASE("a proxy URL has a scheme we know, a usual port, and a user that is kept apart") {
  const auto proxy = parse_proxy_url("socks5://us%40er:p%3Ass@proxy.example/", "proxy-url");
  REQUIRE(proxy);
  CHECK(proxy->url == "socks5://proxy.example:1080");
  CHECK(proxy->user == "us@er");
  CHECK(proxy->password.reveal() == "p:ss");
  CHECK(parse_proxy_url("https://[fd00::1]", "x")->url == "https://[fd00::1]:443");
  CHECK(parse_proxy_url("ftp://h", "x").error().code == ErrorCode::kUnsupported);
  const auto url = GENERATE("http://", "http://s3cret@:1", "http://u:s3cret@h:99999", "http://u:s3cret%zz@h", "s3cret",
                            "http://h s3cret", "http://[::1");
  const auto refused = parse_proxy_url(url, "proxy-url");
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, Catch::StartsWith("proxy-url") && !Catch::Contains("s3cret"));
}
