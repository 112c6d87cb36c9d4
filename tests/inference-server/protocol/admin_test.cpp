#include "inference-server/protocol/admin.hpp"

#include "common/log_level.hpp"
#include "tests/inference-server/protocol/v2_fixture.hpp"

using namespace imageclassifier;
using namespace imageclassifier::test;

namespace {

/// The admin port of a server that does what the test says.
struct AdminFixture {
  explicit AdminFixture(bool names = false) {
    protocol::AdminActions actions{.reload = [this] { return reloaded; },
                                   .drain = [this] { ++drains; },
                                   .configuration = [] { return std::string("top-k: 5  # default\n"); }};
    HttpServerOptions http{.address = "127.0.0.1"};
    http.refusal_response = protocol::admin_refusal;
    auto started = HttpServer::start(std::move(http), protocol::admin_routes(std::move(actions), names));
    REQUIRE(started.has_value());
    server = std::move(*started);
  }
  ~AdminFixture() { log::set_level(level_before); }

  std::string request(const std::string& method, const std::string& target, const std::string& body = {},
                      const std::string& headers = {}, const std::string& host = "127.0.0.1:8081") const {
    RawClient client(server->port());
    client.send(method + " " + target + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\nContent-Length: " +
                std::to_string(body.size()) + "\r\n" + headers + "\r\n" + body);
    return client.read_to_end();
  }

  log::Level level_before = log::level();
  Result<model::ModelInfo> reloaded = fail(ErrorCode::kInternal, "not set by the test");
  std::atomic<int> drains{0};
  std::unique_ptr<HttpServer> server;
};

}  // namespace

TEST_CASE_METHOD(AdminFixture, "a reload answers with the model that serves from now on") {
  reloaded = model::ModelInfo{"pets", "1", "resnet18", "float32", "onednn", std::string(64, 'b'), false};
  const std::string response = request("POST", "/admin/reload");
  CHECK(status_of(response) == 200);
  CHECK(header_of(response, "Content-Type") == "application/json");
  CHECK(json_of(response)["model"]["weights_sha256"] == std::string(64, 'b'));
  CHECK(header_of(response, "X-Request-Id").size() == 32);
}

TEST_CASE_METHOD(AdminFixture, "a reload that cannot be, or fails, says so and why") {
  const auto check = [this](ErrorCode error, int status, const std::string& code, const std::string& retry) {
    reloaded = fail(error, "the file ends early");
    const std::string response = request("POST", "/admin/reload");
    CHECK(status_of(response) == status);
    CHECK(header_of(response, "Content-Type") == "application/problem+json");
    CHECK(header_of(response, "Retry-After") == retry);
    CHECK(json_of(response)["code"] == code);
    return json_of(response)["detail"].get<std::string>();
  };
  check(ErrorCode::kConflict, 409, "conflict", "1");
  check(ErrorCode::kUnavailable, 503, "loading", "1");
  CHECK_THAT(check(ErrorCode::kDataLoss, 422, "reload_failed", ""), Catch::Matchers::Contains("the file ends early"));
}

TEST_CASE_METHOD(AdminFixture, "the log level is told and changed while the program runs") {
  log::set_level(log::Level::kError);
  CHECK(json_of(request("GET", "/admin/log-level")) == Json({{"level", "error"}}));
  const std::string changed = request("PUT", "/admin/log-level", R"({"level": "debug"})");
  CHECK(status_of(changed) == 200);
  CHECK(json_of(changed) == Json({{"level", "debug"}}));
  CHECK(log::level() == log::Level::kDebug);
  for (const char* wrong : {"", "debug", "{}", R"({"level": 1})", R"({"level": "loud"})", "[\"debug\"]"}) {
    INFO(wrong);
    const std::string response = request("PUT", "/admin/log-level", wrong);
    CHECK(status_of(response) == 400);
    CHECK(json_of(response)["code"] == "bad_parameter");
  }
  CHECK(log::level() == log::Level::kDebug);
}

TEST_CASE_METHOD(AdminFixture, "a drain is begun and the configuration is shown") {
  const std::string begun = request("POST", "/admin/drain");
  CHECK(status_of(begun) == 202);
  CHECK(drains == 1);
  const std::string shown = request("GET", "/admin/config");
  CHECK(header_of(shown, "Content-Type") == "application/yaml");
  CHECK(body_of(shown) == "top-k: 5  # default\n");
  CHECK(status_of(request("GET", "/admin/drain")) == 405);
  CHECK(status_of(request("GET", "/v1/classify")) == 404);
}

TEST_CASE("pages in browsers cannot use the admin port of their user's machine") {
  const AdminFixture fixture;
  const auto check = [&fixture](const std::string& headers, const std::string& host) {
    const std::string response = fixture.request("POST", "/admin/drain", "", headers, host);
    INFO(response);
    CHECK(status_of(response) == 403);
    CHECK(json_of(response)["code"] == "forbidden");
  };
  check("Origin: https://evil.example\r\n", "127.0.0.1:8081");
  check("Origin: null\r\n", "localhost:8081");
  check("Sec-Fetch-Site: cross-site\r\n", "127.0.0.1:8081");
  check("", "evil.example:8081");  // a name that was made to lead here
  check("", "127.0.0.1.evil.example");
  CHECK(fixture.drains == 0);
  for (const char* host : {"127.0.0.1", "localhost:8081", "[::1]:8081"}) {
    CHECK(status_of(fixture.request("POST", "/admin/drain", "", "", host)) == 202);
  }
}

TEST_CASE("with tokens the admin port may have a name") {
  const AdminFixture fixture(true);
  CHECK(status_of(fixture.request("GET", "/admin/config", "", "", "pod.team.example")) == 200);
  CHECK(status_of(fixture.request("GET", "/admin/config", "", "Origin: https://a.example\r\n")) == 403);
}
