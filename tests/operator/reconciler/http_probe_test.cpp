#include <atomic>
#include <catch2/catch.hpp>

#include "operator/reconciler/endpoint.hpp"
#include "operator/reconciler/prober.hpp"
#include "tests/support/peak_memory.hpp"
#include "tests/support/scripted_server.hpp"

using namespace imageclassifier;
using namespace imageclassifier::reconciler;
using imageclassifier::testing::Connection;
using imageclassifier::testing::kSanitizerMegabytes;
using imageclassifier::testing::PeakMemory;
using imageclassifier::testing::ScriptedServer;
using imageclassifier::testing::ServerTls;
using imageclassifier::testing::TestAuthority;

// The probe over sockets: whoever may make a resource decides who answers.
namespace {

// What is read of a head, and what a connection of the loopback interface may hold on its way besides.
constexpr std::size_t kMostSent = 16U << 20U;
constexpr double kMoreMegabytes = 8;

}  // namespace

TEST_CASE("a server that is ready says which model it serves") {
  const ScriptedServer server([](Connection& connection, int) {
    const std::string request = connection.read_request();
    const std::string body =
        R"({"model": {"architecture": "resnet101", "precision": "float32", "weights_sha256": "ab"}})";
    const bool expected = request.rfind("GET /readyz HTTP/1.1\r\n", 0) == 0;
    connection.send(std::string(expected ? "HTTP/1.1 200 OK" : "HTTP/1.1 404 Not Found") +
                    "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  });
  SystemClock clock;
  const ProbeResult result = probe_over_http({server.url()}, clock, {});
  CHECK(result.ok);
  REQUIRE(result.model);
  CHECK(result.model->architecture == "resnet101");
}

TEST_CASE("what cannot be reached is asked for inside, what answers with an error is not") {
  const auto answering = [](const char* line) {
    return [line](Connection& connection, int) {
      connection.read_request();
      connection.send(std::string("HTTP/1.1 ") + line + "\r\nContent-Length: 0\r\n\r\n");
    };
  };
  const ScriptedServer good(answering("200 OK")), bad(answering("503 Service Unavailable"));
  SystemClock clock;
  const std::string nobody = "http://127.0.0.1:9";
  ProbeResult result = probe_over_http({nobody, {}, good.url(), {}}, clock, {});
  CHECK_FALSE(result.ok);
  CHECK(result.inside);
  CHECK(result.detail == "the connection failed");
  CHECK_FALSE(probe_over_http({nobody, {}, bad.url(), {}}, clock, {}).inside);
  CHECK(probe_over_http({"http://[::1]:9", {}, good.url(), {}}, clock, {}).inside);
  CHECK_FALSE(probe_over_http({"http://localhost:9", {}, good.url(), {}}, clock, {}).inside);
  result = probe_over_http({bad.url(), {}, good.url(), {}}, clock, {});
  CHECK_FALSE(result.inside);
  CHECK(result.detail == "HTTP status 503");
}

TEST_CASE("a name that stands for an address of this machine is not connected to, and the Service is asked for") {
  const ScriptedServer server([](Connection& connection, int) {
    connection.read_request();
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  });
  SystemClock clock;
  const std::string port = server.url().substr(server.url().rfind(':'));
  for (const std::string host : {"localhost", "127.0.0.1", "0x7f.1", "[::1]"}) {
    INFO(host);
    const ProbeResult result =
        probe_over_http({"http://" + host + port, {}, server.url(), {}}, clock, {}, &may_connect);
    CHECK(result.forbidden);
    CHECK_FALSE(result.inside);
    CHECK_THAT(result.detail, Catch::Contains("stands for a loopback"));
  }
  CHECK(server.connections() == 0);
  CHECK(probe_over_http({"http://localhost" + port}, clock, {}).ok);

  const auto all_but_the_first = [](const sockaddr&) {
    static std::atomic<int> asked{0};
    return asked++ > 0;
  };
  const ProbeResult result = probe_over_http({server.url(), {}, server.url(), {}}, clock, {}, +all_but_the_first);
  CHECK(result.forbidden);
  CHECK(result.inside);
}

TEST_CASE("a head that does not end is refused at its limit, and memory does not grow with it") {
  const bool one_line = GENERATE(false, true);
  INFO((one_line ? "one line" : "many lines"));
  std::atomic<std::size_t> sent{0};
  const ScriptedServer server([&](Connection& connection, int) {
    connection.read_request();
    const std::string line = "X-Y: " + std::string(993, 'x') + (one_line ? "yy" : "\r\n");
    connection.send("HTTP/1.1 200 OK\r\n");
    while (connection.send(line)) sent += line.size();
  });
  SystemClock clock;
  const PeakMemory memory;
  for (int round = 0; round < 3; ++round) {
    const ProbeResult result = probe_over_http({server.url()}, clock, {});
    CHECK_FALSE(result.ok);
    CHECK(result.detail == "the answer is too long to come from the server");
  }
  CHECK(sent < 3 * kMostSent);
  const double grown = memory.grown_megabytes();
  WARN("heads without end: grew by at most " << grown << " MB");
  CHECK(grown < kMoreMegabytes + kSanitizerMegabytes);
}

TEST_CASE("a body that does not end is refused") {
  const ScriptedServer server([](Connection& connection, int) {
    connection.read_request();
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
    while (connection.send(std::string(10000, 'x'))) {
    }
  });
  SystemClock clock;
  const ProbeResult result = probe_over_http({server.url()}, clock, {});
  CHECK_FALSE(result.ok);
  CHECK(result.detail == "the answer is too long to come from the server");
}

TEST_CASE("over https a server has to show the very certificate, whatever names it holds") {
  const TestAuthority authority("authority");
  const auto own = authority.issue("server", {"DNS:pets.example.com"}), sibling = authority.issue("server");
  ServerTls tls(own);
  const ScriptedServer server(
      [](Connection& connection, int) {
        connection.read_request();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      },
      {.tls = &tls});
  SystemClock clock;
  CHECK(probe_over_http({server.url(), own.certificate_pem}, clock, {}).ok);
  CHECK(probe_over_http({server.url(), own.certificate_pem + sibling.certificate_pem}, clock, {}).ok);
  for (const std::string& other : {sibling.certificate_pem, std::string()}) {
    const ProbeResult result = probe_over_http({server.url(), other}, clock, {});
    CHECK_FALSE(result.ok);
    CHECK(result.untrusted);
    CHECK(result.detail.find("spec.service.tls") != std::string::npos);
  }
}
