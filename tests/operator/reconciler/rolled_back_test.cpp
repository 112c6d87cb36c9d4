#include <catch2/catch.hpp>

#include "operator/reconciler/status.hpp"
#include "tests/operator/reconciler/fixtures.hpp"

using namespace imageclassifier;
using namespace imageclassifier::reconciler;
using namespace imageclassifier::reconciler::testing;

namespace {

/// What `good` makes runs, because what `wanted` makes has failed of `reason`.
World rolled_back(const std::string& good, const std::string& wanted, const std::string& reason = "ModelInvalid") {
  World world(good);
  world.observed.drawn_password = Secret("secret");
  world.basic_secret("p").settle().deployment_status(1, 1, 1).settle();
  world.observed.classifier.spec = World(wanted).observed.classifier.spec;
  world.settle().deployment_status(2, 1, 1);
  const std::string failed = make_plan(world.observed, kNow).rollout.wanted.name;
  for (auto& revision : world.observed.revisions) {
    if (revision->metadata.name != failed) continue;
    auto marked = std::make_shared<api::Revision>(*revision);
    marked->marks.failure = R"({"reason": ")" + reason + R"(", "message": "It is so.", "remedy": "Do this."})";
    revision = marked;
  }
  return world.settle().deployment_status(1, 1, 1).address("10.0.0.7").probe(EndpointState::Kind::kHealthy);
}

Report report(const World& world) {
  return make_report(world.observed, make_plan(world.observed, kNow), {}, kNow);
}

std::string state(const Report& made, const std::string& type) {
  const api::Condition* condition = api::find_condition(made.status.conditions, type);
  return condition == nullptr ? "absent" : condition->status + "/" + condition->reason;
}

constexpr const char* kTested = R"({"selfTest": {"image": {"path": "/cat.jpg"}, "expectedLabel": "tabby"}})";
constexpr const char* kGuarded = R"({"service": {"authentication": {"type": "Basic"}}})";

}  // namespace

TEST_CASE("the self-test is told of the wanted revision, whatever runs in its place") {
  Report made = report(rolled_back("{}", kTested, "SelfTestFailed"));
  CHECK(state(made, "RolledBack") == "True/SelfTestFailed");
  CHECK(state(made, "SelfTestPassed") == "False/SelfTestFailed");
  CHECK(state(made, "Ready") == "False/SelfTestFailed");
  CHECK(state(made, "Stalled") == "True/RolledBack");
  made = report(rolled_back("{}", kTested, "OOMKilled"));
  CHECK(state(made, "SelfTestPassed") == "Unknown/OOMKilled");
  CHECK(state(made, "Ready") == "False/OOMKilled");
}

TEST_CASE("the Secrets that are named are those of the pods that run") {
  CHECK(report(rolled_back(kGuarded, "{}")).status.access_secret_name == "pets-access");
  CHECK(report(rolled_back("{}", kGuarded)).status.access_secret_name.empty());
  const char* other = R"({"service": {"authentication": {"type": "Basic", "secretName": "callers"}}})";
  CHECK(report(rolled_back(kGuarded, other)).status.access_secret_name == "pets-access");
  CHECK(report(rolled_back(kBasic, "{}")).status.pull_secret.name == "pets-acr-pull");
  CHECK(report(rolled_back("{}", kBasic)).status.pull_secret.name.empty());
}

TEST_CASE("a Secret that only the failed revision used is not forgotten when that is given up") {
  World world = rolled_back("{}", kGuarded);
  world.show(report(world).status);
  world.observed.classifier.spec = World().observed.classifier.spec;
  CHECK_THAT(summary(make_plan(world.observed, kNow)), Catch::Contains("delete Secret pets-access"));
}

TEST_CASE("where no pod is wanted, a rollback is told and does not stand in the way of Ready") {
  World world = rolled_back("{}", R"({"image": "contoso.azurecr.io/inference-server:next"})");
  CHECK(state(report(world), "Ready") == "False/ModelInvalid");
  world.observed.classifier.spec.suspend = true;
  world.settle().deployment_status(0, 0, 0);
  const Report made = report(world);
  for (const char* type : {"Ready", "WorkloadAvailable", "Suspended"}) CHECK(state(made, type) == "True/Suspended");
  CHECK(state(made, "RolledBack") == "True/ModelInvalid");
  CHECK(state(made, "Stalled") == "False/Stable");
}
