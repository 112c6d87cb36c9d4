#include "operator/kubernetes/api_client.hpp"

#include <catch2/catch.hpp>
#include <utility>

#include "tests/support/captured_log.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_transport.hpp"

using namespace imageclassifier;
using namespace imageclassifier::kubernetes;
using namespace std::chrono_literals;

namespace {

const GroupVersionResource kSecrets{"", "v1", "secrets"};
const std::string kGet = "GET /api/v1/namespaces/a/secrets/b";
const std::string kPost = "POST /api/v1/namespaces/a/secrets?fieldManager=me";
const std::string kApply = "PATCH /api/v1/namespaces/a/secrets/b?fieldManager=me&force=true";

// Gives the next token of a list after each reject().
struct Tokens final : TokenSource {
  std::vector<std::string> values{""};
  std::vector<std::string> rejected;
  Result<Secret> token() override { return Secret(values[std::min(rejected.size(), values.size() - 1)]); }
  bool reject(const Secret& used, SteadyTime) override {
    rejected.push_back(used.reveal());
    return rejected.size() < values.size();
  }
};

struct Rig {
  testing::FakeClock clock{true};
  MetricsRegistry metrics;
  testing::FakeTransport server;
  Tokens tokens;
  ApiClient client{server, tokens, clock, metrics, {.host_label = "h:1"}};

  ~Rig() { CHECK(server.finish() == std::vector<std::string>{}); }
  std::string authorization(std::size_t request) {
    return std::string(find_header(server.requests().at(request).headers, "Authorization").value_or(""));
  }
};

}  // namespace

TEST_CASE("an object comes with its version and uid") {
  Rig rig;
  rig.server.expect(kGet, 200, R"({"metadata":{"uid":"u","resourceVersion":"7"}})");
  const auto reply = rig.client.get(kSecrets, {"a", "b"}, {});
  REQUIRE(reply);
  CHECK(reply->resource_version == "7");
  CHECK(reply->uid == "u");
  CHECK_FALSE(reply->created);
}

TEST_CASE("a refusal is an error with the server's sentence and our object") {
  Rig rig;
  rig.server.expect(kPost, 409,
                    R"({"kind":"Status","reason":"AlreadyExists","message":"secrets \"b\" already exists"})");
  const auto reply = rig.client.create(kSecrets, "a", R"({"metadata":{"name":"b"}})", "me", {});
  REQUIRE_FALSE(reply);
  CHECK(reply.error().code == ErrorCode::kAlreadyExists);
  CHECK(reply.error().message ==
        "Creating secrets a/b failed with HTTP 409 (AlreadyExists): secrets \"b\" already exists");
}

TEST_CASE("a GET is repeated after a lost connection, a write is not") {
  Rig rig;
  rig.server.expect_error(kGet, ErrorCode::kUnavailable).expect(kGet, 200, "{}");
  CHECK(rig.client.get(kSecrets, {"a", "b"}, {}));
  rig.server.expect_error(kApply, ErrorCode::kUnavailable);
  CHECK_FALSE(rig.client.apply(kSecrets, {"a", "b"}, "{}", {.field_manager = "me"}, {}));
  rig.server.expect_error(kPost, ErrorCode::kUnavailable);
  CHECK_FALSE(rig.client.create(kSecrets, "a", "{}", "me", {}));
  CHECK(rig.server.requests().size() == 4);
}

TEST_CASE("Retry-After on 429 and 5xx is honoured, but a POST is sent again only when it was turned away") {
  Rig rig;
  rig.server.expect(kApply, 429, "", {{"Retry-After", "2"}})
      .expect(kApply, 503, "", {{"Retry-After", "3"}})
      .expect(kApply, 200, "{}");
  CHECK(rig.client.apply(kSecrets, {"a", "b"}, "{}", {.field_manager = "me"}, {}));
  CHECK(rig.clock.waits() == std::vector<Duration>{2s, 3s});
  rig.server.expect(kPost, 429, "", {{"Retry-After", "2"}}).expect(kPost, 503, "", {{"Retry-After", "2"}});
  const auto created = rig.client.create(kSecrets, "a", "{}", "me", {});
  REQUIRE_FALSE(created);
  CHECK(created.error().code == ErrorCode::kUnavailable);
}

TEST_CASE("of the flow schemas that turned a request away the log gets short names, each once, and not without end") {
  Rig rig;
  log::set_level(log::Level::kInfo);
  testing::CapturedLog captured;
  for (int i = 0; i < 300; ++i) {
    const std::string uid = std::to_string(i) + std::string(100'000, 'x');
    rig.server.expect(kGet, 429, "", {{"X-Kubernetes-PF-FlowSchema-UID", uid}});
    CHECK_FALSE(rig.client.get(kSecrets, {"a", "b"}, {}));
  }
  CHECK(captured.text().size() < 100'000);
  log::set_level(log::Level::kWarning);
  CHECK(captured.count("rejected a request for now") == 200);
}

TEST_CASE("without Retry-After a server error is not repeated") {
  Rig rig;
  rig.server.expect(kGet, 500, "");
  CHECK_FALSE(rig.client.get(kSecrets, {"a", "b"}, {}));
}

TEST_CASE("a pause that would pass the time-out of the call is not begun") {
  Rig rig;
  rig.server.expect(kGet, 503, "", {{"Retry-After", "31"}});
  CHECK_FALSE(rig.client.get(kSecrets, {"a", "b"}, {}));
  CHECK(rig.clock.waits().empty());
}

TEST_CASE("when the time runs out during another try of a read, the refusal before it is what is told") {
  Rig rig;
  rig.server.expect(kGet, 504, "", {{"Retry-After", "1"}}).expect_error(kGet, ErrorCode::kDeadlineExceeded);
  const auto read = rig.client.execute(get_request(kSecrets, {"a", "b"}), {});
  REQUIRE(read);
  CHECK(read->status == 504);
  rig.server.expect(kApply, 429, "", {{"Retry-After", "1"}}).expect_error(kApply, ErrorCode::kDeadlineExceeded);
  const auto written = rig.client.apply(kSecrets, {"a", "b"}, "{}", {.field_manager = "me"}, {});
  REQUIRE_FALSE(written);
  CHECK(written.error().code == ErrorCode::kDeadlineExceeded);
}

TEST_CASE("after ten tries the last answer stands") {
  Rig rig;
  for (int i = 0; i < 10; ++i) rig.server.expect(kGet, 503, "", {{"Retry-After", "1"}});
  CHECK_FALSE(rig.client.get(kSecrets, {"a", "b"}, {}));
}

TEST_CASE("the token goes into the header; a 401 brings the new one, once") {
  Rig rig;
  rig.tokens.values = {"old", "new"};
  rig.server.expect(kGet, 401, "").expect(kGet, 401, "");
  const auto reply = rig.client.get(kSecrets, {"a", "b"}, {});
  REQUIRE_FALSE(reply);
  CHECK(reply.error().code == ErrorCode::kUnauthenticated);
  CHECK(rig.authorization(0) == "Bearer old");
  CHECK(rig.authorization(1) == "Bearer new");
  CHECK(rig.tokens.rejected == std::vector<std::string>{"old"});
  CHECK_THAT(reply.error().describe(), !Catch::Contains("old") && !Catch::Contains("new"));
}

TEST_CASE("without a token there is no Authorization, and a 401 is final") {
  Rig rig;
  rig.server.expect(kGet, 401, "");
  CHECK_FALSE(rig.client.get(kSecrets, {"a", "b"}, {}));
  CHECK(rig.authorization(0).empty());
}

TEST_CASE("requests are counted by code, method and host") {
  Rig rig;
  rig.server.expect(kGet, 404, "").expect_error(kPost, ErrorCode::kUnavailable);
  CHECK_FALSE(rig.client.get(kSecrets, {"a", "b"}, {}));
  CHECK_FALSE(rig.client.create(kSecrets, "a", "{}", "me", {}));
  const std::string text = rig.metrics.text();
  CHECK_THAT(text, Catch::Contains(R"(rest_client_requests_total{code="404",host="h:1",method="GET"} 1)"));
  CHECK_THAT(text, Catch::Contains(R"(rest_client_requests_total{code="<error>",host="h:1",method="POST"} 1)"));
  CHECK_THAT(text, Catch::Contains(R"(rest_client_request_duration_seconds_count{host="h:1",verb="GET"} 1)"));
}

TEST_CASE("a deletion of what is gone says so") {
  Rig rig;
  rig.server.expect("DELETE /api/v1/namespaces/a/secrets/b", 404, "");
  const auto removed = rig.client.remove(kSecrets, {"a", "b"}, {}, {});
  REQUIRE_FALSE(removed);
  CHECK(removed.error().code == ErrorCode::kNotFound);
}

TEST_CASE("no error carries the credential, even if the server quotes the request") {
  Rig rig;
  const std::string secret = "sentinel-token-0123456789";
  rig.tokens.values = {secret};
  const int status = GENERATE(400, 401, 403, 407, 409, 422, 500);
  rig.server.expect(kGet, status,
                    R"({"kind":"Status","reason":"Bad","message":"got Authorization: Bearer )" + secret +
                        " and again " + secret + R"("})");
  const auto reply = rig.client.get(kSecrets, {"a", "b"}, {});
  REQUIRE_FALSE(reply);
  CHECK_THAT(reply.error().describe(), !Catch::Contains(secret) && Catch::Contains("[redacted]"));
}

TEST_CASE("a fence lets reads through, ends writes when it says, and is asked before each repetition") {
  struct Once final : WriteFence {
    std::optional<SteadyTime> until;
    int asked = 0;
    int left = 0;
    std::optional<SteadyTime> enter() override {
      ++asked;
      return std::exchange(until, std::nullopt);
    }
    void leave() noexcept override { ++left; }
  } fence;
  Rig rig;
  ApiClient client(rig.server, rig.tokens, rig.clock, rig.metrics, {.fence = &fence});
  rig.server.expect(kGet, 200, "{}");
  CHECK(client.get(kSecrets, {"a", "b"}, {}));
  CHECK(fence.asked == 0);
  const auto refused = client.apply(kSecrets, {"a", "b"}, "{}", {.field_manager = "me"}, {});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kUnavailable);
  CHECK(rig.server.requests().size() == 1);
  fence.until = rig.clock.steady_now() + 5s;
  rig.server.expect(kApply, 429, "", {{"Retry-After", "1"}});
  CHECK_FALSE(client.apply(kSecrets, {"a", "b"}, "{}", {.field_manager = "me"}, {}));
  CHECK(fence.asked == 3);
  CHECK(fence.left == 1);
  CHECK(rig.server.requests().size() == 2);
}
