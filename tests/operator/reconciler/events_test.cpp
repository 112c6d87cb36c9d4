#include "operator/reconciler/events.hpp"

#include <catch2/catch.hpp>
#include <tuple>

#include "operator/api/time.hpp"
#include "operator/reconciler/status.hpp"
#include "tests/operator/reconciler/fixtures.hpp"

using namespace imageclassifier;
using namespace imageclassifier::reconciler;
using namespace imageclassifier::reconciler::testing;
using runtime::Event;
using runtime::EventType;
using Words = std::vector<std::string>;

namespace {

std::string word_of(const Event& event) {
  return (event.type == EventType::kNormal ? "Normal " : "Warning ") + event.reason;
}

/// What a pass over the world tells, its children left as they are; the status is shown afterwards.
std::vector<Event> pass(World& world) {
  const Report report = make_report(world.observed, make_plan(world.observed, kNow), {}, kNow);
  std::vector<Event> events = events_of(world.observed.classifier, report.status);
  world.show(report.status);
  return events;
}

Words words(const std::vector<Event>& events) {
  Words result;
  for (const Event& event : events) result.push_back(word_of(event));
  return result;
}

std::vector<Event> deeds(const World& world) {
  std::vector<Event> events;
  for (const Action& action : make_plan(world.observed, kNow).actions) {
    if (auto event = event_of(action, world.observed.classifier)) events.push_back(std::move(*event));
  }
  return events;
}

}  // namespace

TEST_CASE("a resource's way to Ready is told step by step in the words of its conditions, each once") {
  World world;
  CHECK(words(pass(world)) == Words{"Normal PodsStarting"});
  world.settle().deployment_status(1, 1, 0);
  CHECK(pass(world).empty());
  world.deployment_status(1, 1, 1);
  CHECK(words(pass(world)) == Words{"Normal Available", "Normal LoadBalancerPending"});
  world.address("10.0.0.7");
  CHECK(words(pass(world)) == Words{"Normal Probing"});
  world.probe(EndpointState::Kind::kHealthy);
  const auto events = pass(world);
  CHECK(words(events) == Words{"Normal Answering", "Normal Ready"});
  CHECK_THAT(events[1].note, Catch::StartsWith("The classifier answers at http://10.0.0.7/."));
  CHECK(events[1].action == "Reconcile");
  CHECK(events[1].regarding == runtime::ObjectReference{api::kApiVersion, api::kKind, "zoo", "pets", "owner"});
}

TEST_CASE("a resource that stays as it is tells nothing") {
  World world;
  world.settle().deployment_status(1, 1, 1).address("10.0.0.7").probe(EndpointState::Kind::kHealthy);
  pass(world);
  CHECK(pass(world).empty());
  CHECK(deeds(world).empty());
}

TEST_CASE("a failure is a warning with the condition's whole message, told once, and its end is told too") {
  World world;
  world.settle().deployment_status(1, 1, 1).address("10.0.0.7").probe(EndpointState::Kind::kHealthy);
  pass(world);
  world.probe(EndpointState::Kind::kUnhealthy, "connection refused");
  const auto events = pass(world);
  CHECK(words(events) == Words{"Warning EndpointUnhealthy"});
  CHECK(events[0].note == api::find_condition(world.observed.classifier.status.conditions, "Ready")->message);
  CHECK(pass(world).empty());
  world.probe(EndpointState::Kind::kHealthy);
  CHECK(words(pass(world)) == Words{"Normal Answering", "Normal Ready"});
}

TEST_CASE("a missing Secret, and what it keeps from happening, are told beside each other") {
  World world(kBasic);
  CHECK(words(pass(world)) == Words{"Warning CredentialNotReady", "Warning SecretNotFound"});
  world.basic_secret("p");
  CHECK(words(pass(world)) == Words{"Normal Minted", "Normal PodsStarting"});
}

TEST_CASE("children that were made, changed and deleted are told with what they are related to") {
  World world(kBasic);
  world.basic_secret("first");
  const auto made = deeds(world);
  CHECK(words(made) == Words(4, "Normal Created"));
  CHECK(made[0].note == "Created Secret pets-acr-pull.");
  CHECK(made[0].action == "Create");
  CHECK(made[2].related == runtime::ObjectReference{"apps/v1", "Deployment", "zoo", "pets", ""});
  world.settle();
  CHECK(deeds(world).empty());
  world.observed.classifier.spec.replicas = 0;
  const auto changed = deeds(world);
  CHECK(words(changed) == Words{"Normal Updated"});
  CHECK(changed[0].note == "Updated Deployment pets: spec.replicas differs.");
  CHECK(changed[0].related->uid == "deployment");
  world.settle();
  world.observed.classifier.spec.auth = api::NodeIdentity{};
  const auto ended = deeds(world);
  CHECK(words(ended) == Words{"Normal Updated", "Normal Deleted"});
  CHECK(ended[1].note == "Deleted Secret pets-acr-pull: no pull Secret is wanted.");
}

TEST_CASE("what a specification does not get, or will be sorry for, is told once for each specification") {
  World world(R"({"replicas": 2, "availability": {"minAvailable": "60%"}, "service": {"annotations": {
                   "example.com/mine": "1", "service.beta.kubernetes.io/azure-load-balancer-health-probe-request-path": "/",
                   "service.beta.kubernetes.io/azure-load-balancer-internal": "true"}}})");
  const auto events = pass(world);
  CHECK(words(events) == Words{"Normal PodsStarting", "Warning AnnotationOverruled", "Warning EvictionForbidden"});
  CHECK_THAT(events[1].note, Catch::Contains("decide on service.beta.kubernetes.io/azure-load-balancer-health-probe-"
                                             "request-path, which the operator sets"));
  CHECK(pass(world).empty());
  world.observed.classifier.spec.service.type = "ClusterIP";
  for (const auto& [replicas, least, most, forbidden] : {std::tuple{2, "2", "", true},
                                                         {2, "1", "", false},
                                                         {2, "\"50%\"", "", false},
                                                         {4, "\"100%\"", "", true},
                                                         {4, "", "0", true},
                                                         {4, "", "\"0%\"", true},
                                                         {4, "", "\"1%\"", false},
                                                         {1, "1", "", false},
                                                         {3, "", "", false}}) {
    INFO(replicas << " " << least << " " << most);
    world.observed.classifier.spec.replicas = replicas;
    world.observed.classifier.spec.availability.min_available_json = least;
    world.observed.classifier.spec.availability.max_unavailable_json = most;
    ++world.observed.classifier.metadata.generation;
    CHECK(words(pass(world)) == (forbidden ? Words{"Warning EvictionForbidden"} : Words{}));
  }
}

TEST_CASE("taking over the fields of a POST is nothing to tell") {
  Action action;
  action.step = Step::kTakeManager;
  CHECK_FALSE(event_of(action, World().observed.classifier));
}

TEST_CASE("no event holds anything of a credential") {
  const std::string planted = "planted-9f2c";
  World world(kBasic);
  world.basic_secret(planted).settle();
  world.basic_secret(planted + "-new");
  std::vector<Event> events = deeds(world);
  CHECK(words(events) == Words{"Normal Updated"});
  for (Event& event : pass(world)) events.push_back(std::move(event));
  REQUIRE(events.size() > 1);
  for (const Event& event : events) {
    for (const char* secret : {"planted", "puller", "cGxhbnRlZC", "cHVsbGVy"}) {
      CHECK_THAT(event.note, !Catch::Contains(secret));
    }
  }
}
