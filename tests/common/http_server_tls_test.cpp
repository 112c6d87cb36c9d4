#include <openssl/ssl.h>

#include <thread>

#include "common/http_server.hpp"
#include "tests/common/http_server_fixture.hpp"
#include "tests/support/test_authority.hpp"
#include "tests/support/tls_client.hpp"

using namespace imageclassifier;
using namespace imageclassifier::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;

namespace {

constexpr std::string_view kHello = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr std::string_view kLastHello = "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// HttpServerFixture over TLS.
struct TlsFixture {
  explicit TlsFixture(HttpServerOptions options = {}) : http(with_tls(std::move(options))) {}

  HttpServerOptions with_tls(HttpServerOptions options) const {
    options.tls = pair("first");
    return options;
  }
  HttpTlsPair pair(const std::string& name) const {
    const auto issued = authority.issue(name, {"DNS:localhost"});
    return {issued.certificate_pem, Secret(issued.key_pem)};
  }
  TlsClient connect(int version = 0) const {
    return TlsClient(http.server->port(), {authority.certificate_pem(), version});
  }
  /// The handshake is left to the test.
  RawClient connect_plain() const { return http.connect(); }
  std::string exchange(std::string_view request) const {
    TlsClient client = connect();
    client.send(request);
    return client.read_to_end();
  }
  bool drains_when(const std::function<void()>& action, Duration timeout) const {
    std::promise<bool> drained;
    std::jthread drainer([this, &drained, timeout] { drained.set_value(http.server->drain(timeout)); });
    action();
    return drained.get_future().get();
  }

  testing::TestAuthority authority{"authority of a test"};
  HttpServerFixture http;
};

HttpServerOptions short_times() {
  HttpServerOptions options;
  options.header_timeout = 200ms;
  options.body_idle_timeout = 200ms;
  options.keep_alive_timeout = 200ms;
  return options;
}

}  // namespace

TEST_CASE_METHOD(TlsFixture, "requests are answered over TLS 1.2 and 1.3, and nothing older") {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsClient client = connect(version);
    CHECK(client.version() == (version == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3"));
    client.send(kHello);
    CHECK_THAT(client.read_response(), Contains("200 OK") && EndsWith("hello"));
    client.send(kLastHello);
    CHECK_THAT(client.read_to_end(), EndsWith("hello"));  // and no CUT: the end was said
  }
  CHECK_THROWS_WITH(connect(TLS1_1_VERSION), Contains("protocol version"));
  CHECK(connect().version() == "TLSv1.3");
}

TEST_CASE_METHOD(TlsFixture, "bodies of many records arrive whole, and so do large answers") {
  std::string body(999'999, 'a');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>('a' + i % 23);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsClient client = connect(version);
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 999999\r\n\r\n");
    CHECK_THAT(client.read_response(), Contains("100 Continue"));
    client.send(body);
    CHECK(body_of(client.read_response()) == body);
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nf423f\r\n" +
                body);
    client.send("\r\n0\r\n\r\n");
    CHECK(body_of(client.read_to_end()) == body);
  }
}

TEST_CASE_METHOD(TlsFixture, "requests that arrive together, in one record or while one is handled, are all answered") {
  TlsClient client = connect();
  std::string many;
  for (int i = 0; i < 2000; ++i) many += "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n";
  std::thread sender([&] { client.send(many + std::string(kHello)); });
  sender.join();
  for (int i = 0; i < 2000; ++i) REQUIRE(status_of(client.read_response()) == 404);
  CHECK(status_of(client.read_response()) == 200);

  client.send("POST /later HTTP/1.1\r\nHost: x\r\n\r\n");
  const HttpResponder responder = http.later.get_future().get();
  client.send(std::string(kHello) + std::string(kLastHello));
  // The server has looked at that: another exchange is answered by the same thread.
  CHECK_THAT(exchange(kLastHello), Contains("200 OK"));
  CHECK_FALSE(responder.client_gone());
  responder.respond({.body = "late"});
  CHECK_THAT(client.read_response(), EndsWith("late"));
  CHECK_THAT(client.read_response(), EndsWith("hello"));
  CHECK_THAT(client.read_to_end(), EndsWith("hello"));
}

TEST_CASE_METHOD(TlsFixture, "a client that ends its side still gets its answer, and the handler can know") {
  TlsClient client = connect();
  client.send("POST /later HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const HttpResponder responder = http.later.get_future().get();
  client.close_notify();
  while (!responder.client_gone()) std::this_thread::yield();
  responder.respond({.body = "answer"});
  CHECK_THAT(client.read_to_end(), EndsWith("answer"));
}

TEST_CASE("the handshake, the header and the body have their time limits over TLS too") {
  TlsFixture fixture(short_times());
  RawClient silent = fixture.connect_plain();
  RawClient half = fixture.connect_plain();
  half.send(std::string_view("\x16\x03\x01\x02", 4));
  CHECK(silent.read_to_end().empty());
  CHECK(half.read_to_end().empty());
  TlsClient idle = fixture.connect();
  TlsClient header = fixture.connect();
  header.send("GET /hello HT");
  TlsClient body = fixture.connect();
  body.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf");
  CHECK(idle.read_to_end() == "CUT");
  CHECK(status_of(header.read_to_end()) == 408);
  CHECK(status_of(body.read_to_end()) == 408);
}

TEST_CASE_METHOD(TlsFixture, "limits of size hold over TLS, and the client can read the refusal") {
  CHECK(status_of(exchange("GET /hello HTTP/1.1\r\nHost: x\r\nA: " + std::string(17 * 1024, 'a') + "\r\n\r\n")) == 431);
  CHECK(status_of(exchange("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n" +
                           std::string(100'000, 'x'))) == 413);
}

TEST_CASE("clients that never shake hands make room for one that does") {
  HttpServerOptions options;
  options.max_connections = 2;
  TlsFixture fixture(options);
  RawClient first = fixture.connect_plain();
  RawClient second = fixture.connect_plain();
  CHECK_THAT(fixture.exchange(kLastHello), Contains("200 OK"));
  CHECK(first.closed_within(10s));
}

TEST_CASE("an upload that stalls makes room over TLS too, and its client can read why") {
  HttpServerOptions options;
  options.max_connections = 1;
  TlsFixture fixture(options);
  TlsClient stalled = fixture.connect();
  stalled.send("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n");
  CHECK_THAT(stalled.read_response(), Contains("100 Continue"));
  CHECK_THAT(fixture.exchange(kLastHello), Contains("200 OK"));
  CHECK(status_of(stalled.read_to_end()) == 429);
}

TEST_CASE_METHOD(TlsFixture, "plain HTTP is told in words to use HTTPS, noise is cut") {
  RawClient plain = connect_plain();
  plain.send(kHello);
  const std::string answer = plain.read_to_end();
  CHECK(status_of(answer) == 400);
  CHECK_THAT(answer, Contains("HTTPS"));
  RawClient noise = connect_plain();
  noise.send("\x01\x02\x03\x04\x05\x06\x07");
  CHECK(noise.closed_within(10s));
}

TEST_CASE_METHOD(TlsFixture, "a changed certificate is what new connections see, open ones go on") {
  TlsClient before = connect();
  CHECK(before.server_name() == "first");
  REQUIRE(http.server->change_certificate(pair("second")));
  CHECK(connect().server_name() == "second");
  before.send(kLastHello);
  CHECK_THAT(before.read_to_end(), Contains("200 OK"));
  HttpTlsPair mixed = pair("third");
  mixed.key = pair("fourth").key;
  CHECK(http.server->change_certificate(mixed).error().code == ErrorCode::kInvalidArgument);
  CHECK(connect().server_name() == "second");
  CHECK(HttpServerFixture().server->change_certificate(pair("x")).error().code == ErrorCode::kUnsupported);
}

TEST_CASE_METHOD(TlsFixture, "a certificate that cannot be used is refused in words, without its key") {
  const HttpTlsPair good = pair("good");
  const auto refused = [&good](std::string certificate, std::string key) {
    HttpServerOptions options;
    options.address = "127.0.0.1";
    options.tls = HttpTlsPair{std::move(certificate), Secret(std::move(key))};
    auto started = HttpServer::start(std::move(options), {});
    REQUIRE_FALSE(started);
    CHECK(started.error().code == ErrorCode::kInvalidArgument);
    CHECK_THAT(started.error().describe(), !Contains(good.key.reveal().substr(40, 20)));
    return started.error().describe();
  };
  const std::string& key = good.key.reveal();
  CHECK_THAT(refused("", key), Contains("certificate is not PEM"));
  CHECK_THAT(refused(good.certificate_chain, ""), Contains("key is not PEM"));
  CHECK_THAT(refused(good.certificate_chain, key.substr(0, key.size() / 2)), Contains("key is not PEM"));
  CHECK_THAT(refused(good.certificate_chain, pair("other").key.reveal()), Contains("does not belong"));
  CHECK_THAT(refused(good.certificate_chain + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", key),
             Contains("chain"));
}

TEST_CASE_METHOD(TlsFixture, "the chain behind the certificate is sent") {
  CHECK(connect().chain_size() == 1);
  HttpTlsPair chained = pair("leaf");
  chained.certificate_chain += "a comment\n" + authority.certificate_pem();
  REQUIRE(http.server->change_certificate(chained));
  CHECK(connect().server_name() == "leaf");
  CHECK(connect().chain_size() == 2);
}

TEST_CASE_METHOD(TlsFixture, "a drain ends idle TLS connections properly and lets requests in flight finish") {
  TlsClient idle = connect();
  idle.send(kHello);
  idle.read_response();
  TlsClient busy = connect();
  busy.send("POST /later HTTP/1.1\r\nHost: x\r\n\r\n");
  const HttpResponder responder = http.later.get_future().get();
  CHECK(drains_when(
      [&] {
        CHECK(idle.read_to_end().empty());
        responder.respond({.body = "finished"});
        CHECK_THAT(busy.read_to_end(), Contains("Connection: close") && EndsWith("finished"));
      },
      10s));
}

TEST_CASE_METHOD(TlsFixture, "a handshake that nobody goes on with does not hold up a drain") {
  RawClient silent = connect_plain();
  while (http.server->connections() == 0) std::this_thread::yield();
  CHECK(drains_when([] {}, 9s));
}

TEST_CASE_METHOD(TlsFixture, "clients that leave at any moment of an answer harm nobody") {
  for (int i = 0; i < 50; ++i) {
    TlsClient client = connect();
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 999999\r\n\r\n" + std::string(999'999, 'x'));
  }
  CHECK_THAT(exchange(kLastHello), Contains("200 OK"));
}
