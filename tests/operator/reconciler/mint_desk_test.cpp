#include "operator/reconciler/mint_desk.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <thread>

#include "operator/reconciler/observe.hpp"
#include "operator/registry/docker_config.hpp"
#include "tests/operator/reconciler/fixtures.hpp"
#include "tests/operator/registry/tokens.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_transport.hpp"
#include "tests/support/no_token.hpp"

using namespace imageclassifier;
using namespace imageclassifier::reconciler;
using namespace imageclassifier::reconciler::testing;
using imageclassifier::testing::FakeClock;
using imageclassifier::testing::FakeTransport;
using imageclassifier::testing::NoToken;
using kubernetes::Request;
using kubernetes::Response;

namespace {

const runtime::ObjectKey kKey{"zoo", "pets"};
const std::string kToken = "/api/v1/namespaces/zoo/serviceaccounts/puller/token";

/// A desk whose registry and Entra answer at once, or not at all, before an API server by scenario.
struct Desk {
  FakeClock clock;
  MetricsRegistry metrics;
  FakeTransport server;
  NoToken tokens;
  kubernetes::ApiClient client{server, tokens, clock, metrics, {}};
  std::atomic<int> entra = 0, changed = 0, doors = 0;
  std::atomic<bool> silent = false;
  MintDesk desk{{},
                [this](const std::string& host, const Request& request) { return answer(host, request); },
                [](const Request&) { return fail(ErrorCode::kUnavailable, "no machine of Azure's"); },
                client,
                [this](const runtime::ObjectKey&) { ++changed; },
                clock,
                metrics};

  std::string token(const char* member) const {
    const auto end = clock.wall_now().time_since_epoch() / std::chrono::seconds(1) + 3600;
    return std::string("{\"") + member + "\": \"" +
           imageclassifier::testing::jwt(R"({"aud": "contoso.azurecr.io", "exp": )" + std::to_string(end) + "}") +
           "\"}";
  }
  Result<Response> answer(const std::string& host, const Request& request) {
    if (request.target == "/v2/") ++doors;
    if (silent) return fail(ErrorCode::kUnavailable, "nobody is there");
    if (request.target == "/v2/")
      return Response{401, {{"WWW-Authenticate", R"(Bearer realm="https://contoso.azurecr.io/oauth2/token")"}}, ""};
    if (host == "login.microsoftonline.com") ++entra;
    if (host == "login.microsoftonline.com") return Response{200, {}, R"({"access_token": "e", "expires_in": 3600})"};
    return Response{200, {}, token(request.target == "/oauth2/exchange" ? "refresh_token" : "access_token")};
  }
  /// Looks until somebody has answered.
  ObservedMinting wait_for_answer(const Observed& observed, const runtime::ObjectKey& key = kKey) {
    for (;;) {
      ObservedMinting known = desk.look(key, observed);
      if (known.answer) return known;
      std::this_thread::yield();
    }
  }
};

Observed workload() {
  World world(R"({"registry": {"auth": {"workloadIdentity": {"serviceAccountName": "puller"}}}})");
  world.observed.account =
      ObservedAccount{"uid", "11111111-2222-3333-4444-555555555555", "11111111-2222-3333-4444-555555555556"};
  return world.observed;
}

}  // namespace

TEST_CASE("an account's token is asked for with Entra's audience, and the credential is told to who wants it") {
  Desk desk;
  desk.server.expect("POST " + kToken, 201, R"({"status": {"token": "e.y.J"}})");
  desk.desk.start();
  Observed observed = workload();
  observed.minting = desk.desk.look(kKey, observed);
  CHECK(observed.minting.answer == nullptr);
  desk.desk.attend(kKey, observed);
  const auto known = desk.wait_for_answer(observed);
  REQUIRE(known.answer->minted);
  while (desk.changed == 0) std::this_thread::yield();
  CHECK(desk.server.requests().front().body.find("api://AzureADTokenExchange") != std::string::npos);
  // Whoever has nothing to ask for is not waited for.
  desk.desk.attend(kKey, World().observed);
  CHECK(desk.desk.look(kKey, observed).answer == nullptr);
  desk.desk.stop();
}

TEST_CASE("what the API server says of an account is told apart") {
  const auto [status, problem] =
      GENERATE(table<int, registry::MintProblem>({{403, registry::MintProblem::kTokenRequestForbidden},
                                                  {404, registry::MintProblem::kServiceAccountNotFound},
                                                  {200, registry::MintProblem::kIdentityProviderUnavailable}}));
  Desk desk;
  desk.server.expect("POST " + kToken, status,
                     R"({"message": "serviceaccounts \"puller\" is forbidden: User )"
                     R"(\"system:serviceaccount:mine:other\" cannot create resource \"serviceaccounts/token\""})");
  desk.desk.start();
  Observed observed = workload();
  observed.minting = desk.desk.look(kKey, observed);
  desk.desk.attend(kKey, observed);
  const auto known = desk.wait_for_answer(observed);
  CHECK(known.answer->failure->problem == problem);
  if (status == 403) CHECK(known.answer->failure->detail == "mine:other");
  CHECK(desk.entra == 0);
  desk.desk.stop();
}

TEST_CASE("a registry that gives no answer is not asked for each resource") {
  Desk desk;
  desk.silent = true;
  desk.desk.start();
  for (const char* name : {"first", "second"}) {
    Observed observed = workload();
    observed.account->uid = name;
    observed.minting = desk.desk.look({"zoo", name}, observed);
    desk.desk.attend({"zoo", name}, observed);
    const auto known = desk.wait_for_answer(observed, {"zoo", name});
    CHECK(known.answer->failure->problem == registry::MintProblem::kRegistryUnreachable);
  }
  CHECK(desk.doors == 1);
  desk.desk.stop();
}
