#include "operator/registry/request_metrics.hpp"

#include <catch2/catch.hpp>

#include "tests/support/fake_clock.hpp"

using namespace imageclassifier;
using namespace imageclassifier::registry;
using Catch::Matchers::Contains;
using kubernetes::Request;
using kubernetes::Response;

namespace {

Request to(const std::string& target) {
  Request request;
  request.target = target;
  return request;
}

struct Rig {
  testing::FakeClock clock;
  MetricsRegistry metrics;
  RequestMetrics requests{Settings{}, metrics, clock};
  Result<Response> answer = Response{200, {}, {}};
  Ask plain = [this](const std::string&, const Request&) {
    clock.advance(std::chrono::seconds(2));
    return answer;
  };
  Ask counted = requests.count(plain);

  std::string series(const std::string& server, const std::string& route, const std::string& code) const {
    return "imageclassifier_registry_requests_total{code=\"" + code + "\",route=\"" + route + "\",server=\"" + server +
           "\"} ";
  }
};

}  // namespace

TEST_CASE("requests are counted by server, kind and status") {
  Rig rig;
  for (const char* target : {"/v2/", "/v2/", "/v2/team/server/manifests/1.0.0", "/v2/team/server/blobs/sha256:0",
                             "/oauth2/exchange", "/oauth2/token?service=x&scope=y/manifests/"})
    REQUIRE(rig.counted("contoso.azurecr.io", to(target)));
  REQUIRE(rig.counted("login.microsoftonline.com", to("/tenant/oauth2/v2.0/token")));
  rig.answer = fail(ErrorCode::kUnavailable, "no connection");
  REQUIRE_FALSE(rig.counted("contoso.azurecr.io", to("/v2/")));
  rig.answer = Response{429, {}, {}};
  REQUIRE(rig.counted("contoso.azurecr.io", to("/v2/")));
  const std::string text = rig.metrics.text();
  CHECK_THAT(text, Contains(rig.series("contoso.azurecr.io", "challenge", "200") + "2"));
  for (const char* route : {"manifest", "blob", "exchange", "token"})
    CHECK_THAT(text, Contains(rig.series("contoso.azurecr.io", route, "200") + "1"));
  CHECK_THAT(text, Contains(rig.series("login.microsoftonline.com", "entra", "200") + "1"));
  CHECK_THAT(text, Contains(rig.series("contoso.azurecr.io", "challenge", "<error>") + "1"));
  CHECK_THAT(text, Contains("imageclassifier_registry_throttled_total 1"));
}

TEST_CASE("no more series are made than a hundred and those of all other servers together, whoever answers what") {
  Rig rig;
  for (int number = 0; number < 5000; ++number) {
    rig.answer = Response{100 + number % 700, {}, {}};
    REQUIRE(rig.counted("r" + std::to_string(number) + ".azurecr.io", to("/v2/")));
  }
  rig.answer = Response{200, {}, {}};
  REQUIRE(rig.counted("storage.example.com", to("/signed?sig=sentinel")));
  const std::string text = rig.metrics.text();
  std::size_t series = 0;
  for (std::size_t at = 0; (at = text.find("\nimageclassifier_registry_requests_total{", at)) != std::string::npos;
       ++at)
    ++series;
  CHECK(series <= 100 + 7);
  CHECK_THAT(text, Contains(rig.series("other", "other", "2xx") + "1"));
  CHECK_THAT(text, !Contains("storage.example.com") && !Contains("sentinel"));
}

TEST_CASE("steps of minting are timed, also those that fail, and are there from the start") {
  Rig rig;
  const std::string name = "imageclassifier_registry_token_rotation_duration_seconds_";
  for (const char* step : {"assertion", "metadata", "entra", "challenge", "exchange", "token"})
    CHECK_THAT(rig.metrics.text(), Contains(name + "count{step=\"" + step + "\"} 0"));
  const Ask timed = rig.requests.count_and_time(rig.plain);
  const AskMetadata metadata = rig.requests.count_and_time([&](const Request&) -> Result<Response> {
    rig.clock.advance(std::chrono::seconds(1));
    return fail(ErrorCode::kUnavailable, "no connection");
  });
  REQUIRE(timed("contoso.azurecr.io", to("/oauth2/exchange")));
  REQUIRE(rig.counted("contoso.azurecr.io", to("/v2/")));
  REQUIRE_FALSE(metadata(to("/metadata/identity/oauth2/token")));
  const std::string text = rig.metrics.text();
  CHECK_THAT(text, Contains(name + "sum{step=\"exchange\"} 2"));
  CHECK_THAT(text, Contains(name + "count{step=\"challenge\"} 0"));
  CHECK_THAT(text, Contains(name + "sum{step=\"metadata\"} 1"));
  CHECK_THAT(text, Contains(rig.series("imds", "metadata", "<error>") + "1"));
}
