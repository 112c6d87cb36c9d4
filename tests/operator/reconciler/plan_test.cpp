#include "operator/reconciler/plan.hpp"

#include <rapidcheck.h>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/operator/reconciler/fixtures.hpp"

using namespace imageclassifier;
using namespace imageclassifier::reconciler;
using namespace imageclassifier::reconciler::testing;
using nlohmann::json;

namespace {

std::string planned(const World& world) {
  return summary(make_plan(world.observed, kNow));
}

}  // namespace

TEST_CASE("a new resource gets Secret, NetworkPolicy, Deployment and Service in this order") {
  CHECK(planned(World()) ==
        "create NetworkPolicy pets, create ControllerRevision, create Deployment pets, create Service pets");
  CHECK(planned(World(kBasic).basic_secret("p")) ==
        "create Secret pets-acr-pull, create NetworkPolicy pets, create ControllerRevision, create Deployment pets, "
        "create Service pets");
}

TEST_CASE("once all is as wanted nothing is planned") {
  CHECK(planned(World().settle()) == "");
  CHECK(planned(World(kBasic).basic_secret("p").settle()) == "");
}

TEST_CASE("without a credential no pod is started and no address is taken") {
  const World world(kBasic);
  const Plan plan = make_plan(world.observed, kNow);
  CHECK(summary(plan) == "");
  CHECK(plan.deployment_held);
  CHECK(plan.credential.finding.name() == "SecretNotFound");
}

TEST_CASE("a Secret that disappears takes nothing down") {
  World world = World(kBasic).basic_secret("p").settle();
  world.observed.source_secret.reset();
  CHECK(planned(world) == "");
  CHECK(!make_plan(world.observed, kNow).deployment_held);
}

TEST_CASE("what runs keeps its template while new pods could not be pulled, whatever else of the Deployment changes") {
  World world = World(kBasic).basic_secret("p").settle();
  world.deployment_status(1, 1, 1).settle();
  const std::string image = world.observed.classifier.spec.image;
  world.observed.source_secret.reset();
  world.observed.classifier.spec.image = "contoso.azurecr.io/inference-server:newer";
  world.observed.classifier.spec.replicas = 3;
  world.observed.classifier.spec.rollout.progress_deadline_seconds = 77;
  CHECK(planned(world) == "create ControllerRevision, apply Deployment pets, create PodDisruptionBudget pets");
  world.settle();
  const std::string running = world.observed.deployment->owned.text();
  CHECK(world.observed.deployment->replicas == 3);
  CHECK(running.find("\"progressDeadlineSeconds\":77") != std::string::npos);
  CHECK(running.find(image + '"') != std::string::npos);
  CHECK(running.find(":newer") == std::string::npos);
  CHECK(planned(world) == "");
  world.basic_secret("p").settle();
  CHECK(world.observed.deployment->owned.text().find(":newer") != std::string::npos);
}

TEST_CASE("another password is applied to the pull Secret in place") {
  World world = World(kBasic).basic_secret("old").settle();
  world.basic_secret("new");
  const Plan plan = make_plan(world.observed, kNow);
  CHECK(summary(plan) == "apply Secret pets-acr-pull");
  CHECK(plan.actions[0].uid == "secret");
}

TEST_CASE("a pull Secret that is no longer wanted goes after the pod template has forgotten it") {
  World world = World(kBasic).basic_secret("p").settle();
  world.observed.classifier.spec.auth = api::NodeIdentity{};
  CHECK(planned(world) == "create ControllerRevision, apply Deployment pets, delete Secret pets-acr-pull");
}

TEST_CASE("a foreign object of the name is an obstacle and nothing is done to it") {
  World world = World(kBasic).basic_secret("p").settle();
  auto foreign = std::make_shared<api::Service>(*world.observed.service);
  foreign->metadata.owner_uid = "somebody";
  world.observed.service = foreign;
  const Plan plan = make_plan(world.observed, kNow);
  CHECK(summary(plan) == "");
  REQUIRE(plan.obstacles.size() == 1);
  CHECK(plan.obstacles[0].name() == "NameConflict");

  world = World(kBasic).basic_secret("p").settle();
  world.observed.pull_secret->metadata.owner_uid = "somebody";
  CHECK(planned(world) == "");
  CHECK(make_plan(world.observed, kNow).credential.finding.name() == "NameConflict");
}

TEST_CASE("an object that our POST made is taken over by apply, also when a crash came in between") {
  World world = World().settle();
  auto half = std::make_shared<api::Deployment>(*world.observed.deployment);
  half->metadata.created_by_update = true;
  world.observed.deployment = half;
  CHECK(planned(world) == "take_manager Deployment pets");
}

TEST_CASE("drift of an owned field is repaired on the object that was observed") {
  World world = World().settle();
  auto drifted = std::make_shared<api::Deployment>(*world.observed.deployment);
  json owned = json::parse(drifted->owned.text());
  owned["spec"]["replicas"] = 9;
  drifted->owned = api::PackedText(owned.dump());
  world.observed.deployment = drifted;
  const Plan plan = make_plan(world.observed, kNow);
  CHECK(summary(plan) == "apply Deployment pets");
  CHECK(plan.actions[0].uid == "deployment");
  CHECK(plan.actions[0].why == "spec.replicas differs");
}

TEST_CASE("an option that is removed removes its object, and comes back with it") {
  World world = World(R"({"replicas": 2})").settle();
  REQUIRE(world.observed.optional_children.size() == 2);
  world.observed.classifier.spec.replicas = 1;
  world.observed.classifier.spec.network_policy.enabled = false;
  const Plan plan = make_plan(world.observed, kNow);
  CHECK(summary(plan) == "delete NetworkPolicy pets, delete PodDisruptionBudget pets, apply Deployment pets");
  CHECK(needs_live_reads(plan));
  world.settle();
  CHECK(world.observed.optional_children.empty());
  world.observed.classifier.spec.network_policy.enabled = true;
  CHECK(planned(world) == "create NetworkPolicy pets");
}

TEST_CASE("a ServiceMonitor is made where its kind is, and missed only where it is asked for") {
  World world = World().settle();
  CHECK(make_plan(world.observed, kNow).obstacles.empty());
  auto& wish = world.observed.classifier.spec.monitoring.service_monitor;
  wish = api::MonitoringSpec::kEnabled;
  CHECK(planned(world) == "");
  REQUIRE(make_plan(world.observed, kNow).obstacles.size() == 1);
  CHECK(make_plan(world.observed, kNow).obstacles[0].name() == "ServiceMonitorKindMissing");
  wish = api::MonitoringSpec::kAuto;
  world.observed.serves_monitors = true;
  CHECK(planned(world) == "create ServiceMonitor pets");
  world.settle();
  CHECK(planned(world) == "");
  wish = api::MonitoringSpec::kDisabled;
  CHECK(planned(world) == "delete ServiceMonitor pets");
}

TEST_CASE("a foreign object in the place of an option is left alone, and an obstacle only while the option is wanted") {
  World world = World().settle();
  auto foreign = std::make_shared<api::Child>(*world.observed.optional_children[resources::Kind::kNetworkPolicy]);
  foreign->metadata.owner_uid = "somebody";
  world.observed.optional_children[resources::Kind::kNetworkPolicy] = foreign;
  CHECK(planned(world) == "");
  CHECK(make_plan(world.observed, kNow).obstacles.size() == 1);
  world.observed.classifier.spec.network_policy.enabled = false;
  CHECK(planned(world) == "");
  CHECK(make_plan(world.observed, kNow).obstacles.empty());
}

TEST_CASE("neither pods nor an address are made while a foreign object is in the NetworkPolicy's place") {
  World world;
  const Plan plan = make_plan(world.observed, kNow);
  for (const Action& action : plan.actions) {
    const resources::Kind kind = action.manifest.kind;
    const bool lets_in = kind == resources::Kind::kDeployment || kind == resources::Kind::kService;
    CHECK((action.after == resources::Kind::kNetworkPolicy) == lets_in);
  }
  world.observed.optional_children[resources::Kind::kNetworkPolicy] = std::make_shared<api::Child>();
  CHECK(planned(world) == "create ControllerRevision");
  world.observed.classifier.spec.network_policy.enabled = false;
  CHECK(planned(world) == "create ControllerRevision, create Deployment pets, create Service pets");
}

TEST_CASE("replicas are handed over to an autoscaler at their present value") {
  World world = World(R"({"replicas": 4})").settle();
  world.observed.classifier.spec.replicas = 1;
  world.observed.classifier.spec.autoscaling = api::AutoscalingSpec{2, 6, 70, {}};
  const Plan plan = make_plan(world.observed, kNow);
  CHECK(summary(plan) == "hand_over Deployment pets, apply Deployment pets, create HorizontalPodAutoscaler pets");
  CHECK(json::parse(plan.actions[0].manifest.body)["spec"] == json({{"replicas", 4}}));
  CHECK(!json::parse(plan.actions[1].manifest.body)["spec"].contains("replicas"));
  CHECK(needs_live_reads(plan));
  world.settle();
  CHECK(planned(world) == "");
  CHECK(world.observed.deployment->replicas == 4);
}

TEST_CASE("a resource that is born with an autoscaler starts at its minimum, then lets go") {
  World world(R"({"autoscaling": {"minReplicas": 3, "maxReplicas": 6}})");
  world.settle(1);
  CHECK(world.observed.deployment->replicas == 3);
  CHECK(planned(world) == "hand_over Deployment pets, apply Deployment pets");
  world.settle();
  CHECK(world.observed.deployment->replicas == 3);
  CHECK(planned(world) == "");
}

TEST_CASE("suspension ends the autoscaler before the pods, and resuming starts at the minimum") {
  World world = World(R"({"autoscaling": {"minReplicas": 2, "maxReplicas": 6}})").settle();
  world.observed.classifier.spec.suspend = true;
  CHECK(planned(world) == "delete HorizontalPodAutoscaler pets, apply Deployment pets");
  world.settle();
  CHECK(world.observed.deployment->replicas == 0);
  world.observed.classifier.spec.suspend = false;
  CHECK(planned(world) == "apply Deployment pets, create HorizontalPodAutoscaler pets");
  world.settle();
  CHECK(world.observed.deployment->replicas == 2);
  CHECK(planned(world) == "");
}

TEST_CASE("nothing is planned for what is being deleted") {
  World world;
  world.observed.classifier.metadata.deleting = true;
  CHECK(planned(world) == "");
  world = World().settle();
  auto going = std::make_shared<api::Deployment>(*world.observed.deployment);
  going->metadata.deleting = true;
  going->owned = api::PackedText("{}");
  world.observed.deployment = going;
  CHECK(planned(world) == "");
}

TEST_CASE("whatever the specification, one round of the plan leaves nothing to plan") {
  rc::check([] {
    json spec = {{"replicas", *rc::gen::inRange(0, 5)},
                 {"serving", {{"topK", *rc::gen::inRange(1, 100)}, {"uploadPage", *rc::gen::arbitrary<bool>()}}}};
    const bool balanced = *rc::gen::arbitrary<bool>();
    spec["service"] = {{"type", balanced ? "LoadBalancer" : "ClusterIP"}, {"port", *rc::gen::inRange(1, 65535)}};
    if (balanced && *rc::gen::arbitrary<bool>()) spec["service"]["sourceRanges"] = {"10.0.0.0/8", "fd00::/8"};
    spec["resources"] = {{"limits", {{"cpu", *rc::gen::element<std::string>("1", "500m", "0.5", "2.0")}}}};
    if (*rc::gen::arbitrary<bool>()) spec["registry"] = json::parse(kBasic)["registry"];
    World world(spec.dump());
    world.basic_secret(*rc::gen::nonEmpty<std::string>());
    world.settle(1);
    RC_ASSERT(planned(world) == "");
  });
}

TEST_CASE("from any specification to any other, the children end as those of a fresh resource") {
  rc::check([] {
    const auto specification = [] {
      json spec = {{"replicas", *rc::gen::inRange(0, 3)}, {"serving", {{"topK", *rc::gen::inRange(1, 4)}}}};
      spec["suspend"] = *rc::gen::arbitrary<bool>();
      spec["networkPolicy"] = {{"enabled", *rc::gen::arbitrary<bool>()}};
      if (*rc::gen::arbitrary<bool>()) spec["registry"] = json::parse(kBasic)["registry"];
      if (*rc::gen::arbitrary<bool>()) spec["pod"] = {{"nodeSelector", {{"disk", "fast"}}}};
      return spec.dump();
    };
    World world(specification());
    world.basic_secret("p").settle();
    World fresh(specification());
    fresh.basic_secret("p");
    world.observed.classifier = fresh.observed.classifier;
    world.settle();
    fresh.settle();
    RC_ASSERT(world.observed.deployment->owned.text() == fresh.observed.deployment->owned.text());
    RC_ASSERT(world.observed.service->owned.text() == fresh.observed.service->owned.text());
    RC_ASSERT(world.observed.pull_secret.has_value() == fresh.observed.pull_secret.has_value());
    for (const resources::Kind kind : resources::kOptionalKinds) {
      RC_ASSERT(world.observed.optional_children.contains(kind) == fresh.observed.optional_children.contains(kind));
    }
  });
}
