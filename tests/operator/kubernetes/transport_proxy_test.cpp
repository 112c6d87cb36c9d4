#include <atomic>

#include "common/guarded.hpp"
#include "operator/kubernetes/api_client.hpp"
#include "operator/kubernetes/proxy.hpp"
#include "tests/operator/kubernetes/transport_rig.hpp"
#include "tests/support/captured_log.hpp"

// The way to the server: proxies, IPv6 literals. And what its answers may hold.
using namespace imageclassifier;
using namespace imageclassifier::kubernetes;
using namespace imageclassifier::testing;
using namespace std::chrono_literals;

namespace {

// A proxy that knows CONNECT, to loopback ports only.
struct ConnectProxy {
  Guarded<std::string> head;
  std::string refusal;
  ScriptedServer server{[this](Connection& connection, int) {
    const std::string request = connection.read_request();
    *head.lock() = request;
    if (!refusal.empty()) {
      connection.send(refusal);
      return;
    }
    const std::size_t colon = request.find(':');
    connection.send("HTTP/1.1 200 Connection established\r\n\r\n");
    connection.tunnel(std::stoi(request.substr(colon + 1)));
  }};
};

Request with_token() {
  Request request = kGet;
  request.headers.push_back({"Authorization", "Bearer s3cret"});
  return request;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("a proxy is asked to CONNECT to the server, and sees no credential", "", EachTlsTransport) {
  std::string received;
  Rig<TestType> rig([&](Connection& connection, int) {
    received = connection.read_request();
    connection.send(answer("{}"));
  });
  ConnectProxy proxy;
  ClientConfig config = config_for(rig.server.url());
  config.proxy = parse_proxy_url(proxy.server.url(), "proxy-url").value();
  Client client(config, {.kind = TestType::kKind});
  REQUIRE(client.send(with_token()));
  const std::string head = *proxy.head.lock();
  CHECK_THAT(head, Catch::StartsWith("CONNECT 127.0.0.1:" + std::to_string(rig.server.port()) + " HTTP/1.1\r\n"));
  CHECK_THAT(head, !Catch::Contains("s3cret"));
  CHECK_THAT(received, Catch::Contains("s3cret"));
}

TEMPLATE_LIST_TEST_CASE("a proxy that refuses is kUnavailable", "", EachTlsTransport) {
  Rig<TestType> rig([](Connection&, int) {});
  ConnectProxy proxy;
  proxy.refusal = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
  ClientConfig config = config_for(rig.server.url());
  config.proxy = parse_proxy_url(proxy.server.url(), "proxy-url").value();
  const auto refused = Client(config, {.kind = TestType::kKind}).send(with_token());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kUnavailable);
  CHECK(rig.server.connections() == 0);
}

TEST_CASE("libcurl says who it is to a proxy, and reaches the server under another name through it") {
  Rig<CurlTls> rig([](Connection& connection, int) {
    connection.read_request();
    connection.send(answer("{}"));
  });
  ConnectProxy proxy;
  ClientConfig config = config_for(rig.server.url());
  config.tls.server_name = "localhost";
  config.proxy = parse_proxy_url("http://user:p%40ss@127.0.0.1:" + std::to_string(proxy.server.port()), "x").value();
  REQUIRE(Client(config, {.kind = TransportKind::kCurl}).send(with_token()));
  const std::string head = *proxy.head.lock();
  CHECK_THAT(head, Catch::StartsWith("CONNECT 127.0.0.1:"));
  CHECK_THAT(head, Catch::Contains("Proxy-Authorization: Basic dXNlcjpwQHNz\r\n") && !Catch::Contains("s3cret"));
}

TEST_CASE("a SOCKS proxy is given the server's name, whatever it knows under it, as Go programs do") {
  const std::string scheme = GENERATE("socks5", "socks5h");
  Guarded<std::string> asked;
  ScriptedServer proxy([&](Connection& connection, int) {  // RFC 1928
    const std::string greeting = connection.read_bytes(2);
    connection.read_bytes(static_cast<unsigned char>(greeting.back()));
    connection.send(std::string("\x05\x00", 2));
    const std::string head = connection.read_bytes(5);
    *asked.lock() = connection.read_bytes(static_cast<unsigned char>(head.back()));
  });
  ClientConfig config = config_for("https://only.the.proxy.knows:6443");
  config.proxy = parse_proxy_url(scheme + "://127.0.0.1:" + std::to_string(proxy.port()), "x").value();
  CHECK_FALSE(Client(config, {.kind = TransportKind::kCurl}).send(with_token()));
  CHECK(*asked.lock() == "only.the.proxy.knows");
}

TEST_CASE("the environment's proxy is not the transport's affair") {
  Rig<Curl> rig([](Connection& connection, int) {
    connection.read_request();
    connection.send(answer("{}"));
  });
  for (const char* name : {"http_proxy", "https_proxy", "ALL_PROXY"}) setenv(name, "http://127.0.0.1:1", 1);
  CHECK(rig.send(kGet));
  for (const char* name : {"http_proxy", "https_proxy", "ALL_PROXY"}) unsetenv(name);
}

TEST_CASE("an IPv6 literal is reached by libcurl; cpprestsdk refuses it and names the way out") {
  ServerTls tls(cluster_authority().issue("server", {"IP:::1"}));
  ScriptedServer server(
      [](Connection& connection, int) {
        connection.read_request();
        connection.send(answer("{}"));
      },
      {.ipv6 = true, .tls = &tls});
  const ClientConfig config = config_for(server.url());
  CHECK(Client(config, {.kind = TransportKind::kCurl}).send(kGet));
  tls.present(cluster_authority().issue("server", {"IP:::2"}));
  const auto other = Client(config, {.kind = TransportKind::kCurl}).send(kGet);
  REQUIRE_FALSE(other);
  CHECK(other.error().code == ErrorCode::kUnauthenticated);
  SystemClock clock;
  const auto refused = make_transport(config, {.kind = TransportKind::kCpprest}, clock);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kUnsupported);
  CHECK_THAT(refused.error().message, Catch::Contains("--transport=curl"));
}

TEST_CASE("what cpprestsdk cannot do with a proxy is refused and names the way out") {
  SystemClock clock;
  ClientConfig config = config_for("https://example");
  config.proxy =
      parse_proxy_url(GENERATE(as<std::string>(), "socks5://p", "https://p", "http://u:pw@p"), "proxy-url").value();
  const auto refused = make_transport(config, {.kind = TransportKind::kCpprest}, clock);
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, Catch::Contains("--transport=curl") && !Catch::Contains("pw"));
  CHECK(make_transport(config, {.kind = TransportKind::kCurl}, clock));
}

TEMPLATE_LIST_TEST_CASE("a warning of the server is logged once, however often it comes", "", EachTransport) {
  Rig<TestType> rig([](Connection& connection, int) {
    while (!connection.read_request().empty()) {
      connection.send(answer("{}",
                             "HTTP/1.1 200 OK\r\nWarning: 299 - \"x/v1 is deprecated\"\r\n"
                             "Warning: 299 - \"second\"\r\n"));
    }
  });
  MetricsRegistry metrics;
  const auto tokens = make_token_source(config_for(rig.server.url()), rig.client.clock);
  ApiClient client(*rig.client.transport, *tokens, rig.client.clock, metrics, {});
  const CapturedLog log;
  for (int i = 0; i < 3; ++i) REQUIRE(client.execute(kGet, {}));
  CHECK(log.count("x/v1 is deprecated") == 1);
}

TEST_CASE("heads without end are given up by libcurl") {
  std::atomic<std::size_t> sent{0};
  const bool interim = GENERATE(false, true);
  Rig<Curl> rig([&](Connection& connection, int) {
    connection.read_request();
    if (!interim) connection.send("HTTP/1.1 200 OK\r\n");
    const std::string more = interim ? "HTTP/1.1 102 Processing\r\n\r\n" : "X-A: " + std::string(1000, 'x') + "\r\n";
    while (sent < 100'000'000 && connection.send(more)) sent += more.size();
  });
  const auto answered = rig.send(kGet);
  REQUIRE_FALSE(answered);
  CHECK(answered.error().code == ErrorCode::kTooLarge);
  CHECK(sent < 20'000'000);
}
