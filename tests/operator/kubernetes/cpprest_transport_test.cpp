#include "operator/kubernetes/cpprest_transport.hpp"

#include <catch2/catch.hpp>
#include <mutex>
#include <thread>
#include <vector>

#include "operator/kubernetes/transport_factory.hpp"
#include "tests/support/scripted_server.hpp"

using namespace imageclassifier;
using namespace imageclassifier::kubernetes;
using namespace std::chrono_literals;
using imageclassifier::testing::Connection;
using imageclassifier::testing::ScriptedServer;
using Cause = StreamEnd::Cause;

namespace {

[[maybe_unused]] const bool kPrepared = (initialize_cpprest_process(), true);

std::string answer(const std::string& body, const std::string& head = "HTTP/1.1 200 OK\r\n") {
  return head + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}
std::string chunk(const std::string& text) {
  char size[16];
  std::snprintf(size, sizeof size, "%zx\r\n", text.size());
  return size + text + "\r\n";
}
const std::string kChunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

struct Lines final : LineSink {
  std::vector<std::string> seen;
  std::function<bool(std::string_view)> decide = [](std::string_view) { return true; };
  bool on_line(std::string_view line) override {
    seen.emplace_back(line);
    return decide(line);
  }
};

struct Rig {
  SystemClock clock;
  std::unique_ptr<Transport> transport;

  explicit Rig(const std::string& url, TransportOptions options = {}) {
    ClientConfig config;
    config.server = url;
    auto made = make_transport(config, options, clock);
    REQUIRE(made);
    transport = std::move(*made);
  }
  Result<Response> send(const Request& request, Duration budget = 10s, std::stop_token stop = {}) {
    return transport->send(request, clock.steady_now() + budget, stop);
  }
  Result<StreamEnd> stream(Lines& lines, Duration idle = 10s, std::stop_token stop = {}) {
    return transport->stream({Method::kGet, "/watch", {}, {}}, lines, idle, stop);
  }
};

const Request kGet{Method::kGet, "/api/v1/x?a=b%2Cc&d=%25", {{"Accept", "application/json"}}, {}};

}  // namespace

TEST_CASE("a request arrives as it was built, under the server's path prefix") {
  std::string received;
  ScriptedServer server([&](Connection& connection, int) {
    received = connection.read_request();
    connection.send(answer("{}", "HTTP/1.1 201 Created\r\nWarning: 299 - \"old\"\r\n"));
  });
  Rig rig(server.url() + "/prefix");
  const auto response = rig.send(
      {Method::kPatch, "/api/v1/x?a=b%2Cc&d=%25", {{"Content-Type", "application/apply-patch+yaml"}}, "{\"a\":1}"});
  REQUIRE(response);
  CHECK(response->status == 201);
  CHECK(response->body == "{}");
  CHECK(find_header(response->headers, "warning") == "299 - \"old\"");
  CHECK_THAT(received, Catch::StartsWith("PATCH /prefix/api/v1/x?a=b%2Cc&d=%25 HTTP/1.1\r\n"));
  CHECK_THAT(received, Catch::Contains("Content-Type:application/apply-patch+yaml\r\n"));
  CHECK_THAT(received, Catch::EndsWith("{\"a\":1}"));
}

TEST_CASE("a refusal of the server is a response") {
  ScriptedServer server([&](Connection& connection, int) {
    connection.read_request();
    connection.send(answer("gone", "HTTP/1.1 410 Gone\r\n"));
  });
  Rig rig(server.url());
  const auto response = rig.send(kGet);
  REQUIRE(response);
  CHECK(response->status == 410);
  CHECK(response->body == "gone");
}

TEST_CASE("redirects are not followed, so credentials go nowhere else") {
  ScriptedServer other([](Connection& connection, int) { connection.read_request(); });
  ScriptedServer server([&](Connection& connection, int) {
    connection.read_request();
    connection.send(answer("", "HTTP/1.1 302 Found\r\nLocation: " + other.url() + "/\r\n"));
  });
  Rig rig(server.url());
  Request request = kGet;
  request.headers.push_back({"Authorization", "Bearer x"});
  const auto response = rig.send(request);
  REQUIRE(response);
  CHECK(response->status == 302);
  CHECK(other.connections() == 0);
}

TEST_CASE("nobody listening is kUnavailable") {
  int port = 0;
  {
    ScriptedServer server([](Connection&, int) {});
    port = server.port();
  }
  Rig rig("http://127.0.0.1:" + std::to_string(port));
  const auto response = rig.send(kGet);
  REQUIRE_FALSE(response);
  CHECK(response.error().code == ErrorCode::kUnavailable);
  Lines lines;
  const auto stream = rig.stream(lines);
  REQUIRE_FALSE(stream);
  CHECK(stream.error().code == ErrorCode::kUnavailable);
}

TEST_CASE("an answer that is cut or no HTTP is kUnavailable") {
  const std::string text = GENERATE("", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "garbage\r\n\r\n",
                                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
  ScriptedServer server([&](Connection& connection, int) {
    connection.read_request();
    connection.send(text);
  });
  Rig rig(server.url());
  const auto response = rig.send(kGet);
  REQUIRE_FALSE(response);
  CHECK(response.error().code == ErrorCode::kUnavailable);
}

TEST_CASE("a request ends at its deadline even if the server stalls after the head") {
  const std::string text = GENERATE("", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
  ScriptedServer server([&](Connection& connection, int) {
    connection.read_request();
    connection.send(text);
    connection.wait_for_close();
  });
  Rig rig(server.url());
  const SteadyTime started = rig.clock.steady_now();
  const auto response = rig.send(kGet, 100ms);
  REQUIRE_FALSE(response);
  CHECK(response.error().code == ErrorCode::kDeadlineExceeded);
  CHECK(rig.clock.steady_now() - started < 2s);
}

TEST_CASE("a stop ends a request and a stream at once") {
  std::stop_source stop;
  ScriptedServer server([&](Connection& connection, int) {
    const std::string request = connection.read_request();
    if (request.find("/watch") != std::string::npos) connection.send(kChunked + chunk("line\n"));
    stop.request_stop();
    connection.wait_for_close();
  });
  Rig rig(server.url());
  const auto response = rig.send(kGet, 60s, stop.get_token());
  REQUIRE_FALSE(response);
  CHECK(response.error().code == ErrorCode::kCancelled);
  stop = std::stop_source();
  Lines lines;
  const auto stream = rig.stream(lines, 60s, stop.get_token());
  REQUIRE_FALSE(stream);
  CHECK(stream.error().code == ErrorCode::kCancelled);
}

TEST_CASE("a body beyond the limit is refused") {
  ScriptedServer server([&](Connection& connection, int) {
    connection.read_request();
    connection.send(kChunked);
    while (connection.send(chunk(std::string(10000, 'x')))) {
    }
  });
  TransportOptions options;
  options.maximum_body = 100000;
  Rig rig(server.url(), options);
  const auto response = rig.send(kGet);
  REQUIRE_FALSE(response);
  CHECK(response.error().code == ErrorCode::kTooLarge);
}

TEST_CASE("connections are reused for reads, but a POST always gets its own and is sent once") {
  std::mutex mutex;
  std::vector<std::string> posts;
  ScriptedServer server([&](Connection& connection, int) {
    while (true) {
      const std::string request = connection.read_request();
      if (request.empty()) return;
      if (request.rfind("POST", 0) == 0) {
        std::lock_guard hold(mutex);
        posts.push_back(request);
        return;  // no answer: would be repeated by the library on a reused connection
      }
      connection.send(answer("{}"));
    }
  });
  Rig rig(server.url());
  for (int i = 0; i < 5; ++i) REQUIRE(rig.send(kGet));
  // Two, when an answer is read before its connection is back in the pool.
  CHECK(server.connections() <= 2);
  const auto created = rig.send({Method::kPost, "/api/v1/x", {{"Content-Type", "application/json"}}, "{}"});
  REQUIRE_FALSE(created);
  CHECK(created.error().code == ErrorCode::kUnavailable);
  std::lock_guard hold(mutex);
  CHECK(posts.size() == 1);
}

TEST_CASE("a stream delivers lines as they come, whatever the chunks are") {
  ScriptedServer server([&](Connection& connection, int) {
    connection.read_request();
    connection.send(kChunked + chunk("one\ntw") + chunk("o\r\nth\xc3") + chunk("\xa4ree\n\nfour") + "0\r\n\r\n");
  });
  Rig rig(server.url());
  Lines lines;
  const auto end = rig.stream(lines);
  REQUIRE(end);
  CHECK(end->status == 200);
  CHECK(end->cause == Cause::kEndOfStream);
  CHECK(lines.seen == std::vector<std::string>{"one", "two", "th\xc3\xa4ree", "four"});
}

TEST_CASE("a line is delivered while the stream stays open, and silence ends it") {
  ScriptedServer server([&](Connection& connection, int) {
    connection.read_request();
    connection.send(kChunked + chunk("one\n"));
    connection.wait_for_close();
  });
  Rig rig(server.url());
  Lines lines;
  const auto end = rig.stream(lines, 200ms);
  REQUIRE(end);
  CHECK(end->cause == Cause::kIdleTimeout);
  CHECK(lines.seen == std::vector<std::string>{"one"});
}

TEST_CASE("a stream that is not answered in time is an error") {
  ScriptedServer server([&](Connection& connection, int) { connection.wait_for_close(); });
  Rig rig(server.url());
  Lines lines;
  const auto end = rig.stream(lines, 100ms);
  REQUIRE_FALSE(end);
  CHECK(end.error().code == ErrorCode::kDeadlineExceeded);
}

TEST_CASE("a lost connection in the middle of a stream is told apart from its end") {
  ScriptedServer server([&](Connection& connection, int) {
    connection.read_request();
    connection.send(kChunked + chunk("one\n") + "100\r\nhalf");
  });
  Rig rig(server.url());
  Lines lines;
  const auto end = rig.stream(lines);
  REQUIRE(end);
  CHECK(end->cause == Cause::kBroken);
  CHECK(lines.seen == std::vector<std::string>{"one"});
}

TEST_CASE("a refused stream carries the server's answer") {
  ScriptedServer server([&](Connection& connection, int) {
    connection.read_request();
    connection.send(answer("{\"kind\":\"Status\"}", "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 5\r\n"));
  });
  Rig rig(server.url());
  Lines lines;
  const auto end = rig.stream(lines);
  REQUIRE(end);
  CHECK(end->cause == Cause::kRefusedByServer);
  CHECK(end->status == 429);
  CHECK(end->body == "{\"kind\":\"Status\"}");
  CHECK(find_header(end->headers, "Retry-After") == "5");
  CHECK(lines.seen.empty());
}

TEST_CASE("a sink that has enough, and a line that is too long, end the stream") {
  ScriptedServer server([&](Connection& connection, int) {
    connection.read_request();
    connection.send(kChunked + chunk("one\ntwo\n"));
    while (connection.send(chunk(std::string(10000, 'x')))) {
    }
  });
  TransportOptions options;
  options.maximum_line = 50000;
  Rig rig(server.url(), options);
  Lines enough;
  enough.decide = [](std::string_view line) { return line != "one"; };
  auto end = rig.stream(enough);
  REQUIRE(end);
  CHECK(end->cause == Cause::kEndedBySink);
  CHECK(enough.seen.size() == 1);
  Lines lines;
  end = rig.stream(lines);
  REQUIRE(end);
  CHECK(end->cause == Cause::kLineTooLong);
  CHECK(lines.seen.size() == 2);
}

TEST_CASE("a stream without chunks is refused, because its lines would come in lumps") {
  ScriptedServer server([&](Connection& connection, int) {
    connection.read_request();
    connection.send(answer("one\n"));
  });
  Rig rig(server.url());
  Lines lines;
  const auto end = rig.stream(lines);
  REQUIRE_FALSE(end);
  CHECK(end.error().code == ErrorCode::kUnsupported);
}

TEST_CASE("a slow reader slows the server down instead of filling memory") {
  std::atomic<std::size_t> sent{0};
  std::atomic<bool> go_on{false};
  ScriptedServer server([&](Connection& connection, int) {
    connection.read_request();
    connection.send(kChunked);
    const std::string line = chunk(std::string(99999, 'x') + "\n");
    while (sent < 100'000'000 && connection.send(line)) sent += 100000;
    connection.send("0\r\n\r\n");
  });
  Rig rig(server.url());
  Lines lines;
  std::size_t total = 0;
  lines.decide = [&](std::string_view line) {
    total += line.size() + 1;
    lines.seen.clear();
    if (!go_on) {
      // Until the server has stood still for a while.
      for (std::size_t before = 1; before != sent;) {
        before = sent;
        std::this_thread::sleep_for(100ms);
      }
      CHECK(sent < 30'000'000);
      go_on = true;
    }
    return true;
  };
  const auto end = rig.stream(lines, 30s);
  REQUIRE(end);
  CHECK(end->cause == Cause::kEndOfStream);
  CHECK(total == sent);
}

TEST_CASE("an IPv6 literal, a URL that is none and a broken CA are refused with a sentence") {
  SystemClock clock;
  ClientConfig config;
  config.server = "https://[::1]:6443";
  const auto ipv6 = make_transport(config, {}, clock);
  REQUIRE_FALSE(ipv6);
  CHECK(ipv6.error().code == ErrorCode::kUnsupported);
  config.server = "https://h ost";
  CHECK_FALSE(make_transport(config, {}, clock));
  config.server = "https://example";
  config.tls.ca_pem = "no PEM";
  const auto no_ca = make_transport(config, {}, clock);
  REQUIRE_FALSE(no_ca);
  CHECK(no_ca.error().code == ErrorCode::kInvalidArgument);
}
