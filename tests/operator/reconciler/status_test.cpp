#include "operator/reconciler/status.hpp"

#include <catch2/catch.hpp>

#include "operator/api/time.hpp"
#include "operator/reconciler/child_finding.hpp"
#include "tests/operator/reconciler/fixtures.hpp"

using namespace imageclassifier;
using namespace imageclassifier::reconciler;
using namespace imageclassifier::reconciler::testing;

namespace {

constexpr const char* kNotFound =
    "rpc error: code = NotFound desc = failed to pull and unpack image \"x\": failed to resolve reference \"x\": x: "
    "not found";
constexpr const char* kUnauthorized =
    "rpc error: code = Unknown desc = unexpected status code [manifests demo]: 401 Unauthorized";

Report report(const World& world, std::vector<diagnosis::Finding> failures = {}, WallTime now = kNow,
              Duration refused_for = {}) {
  return make_report(world.observed, make_plan(world.observed, now), failures, now, refused_for);
}

/// "True/Ready".
std::string state(const Report& made, const std::string& type) {
  const api::Condition* condition = api::find_condition(made.status.conditions, type);
  return condition == nullptr ? "absent" : condition->status + "/" + condition->reason;
}

World serving() {
  World world;
  world.settle().deployment_status(1, 1, 1).settle().address("10.0.0.7").probe(EndpointState::Kind::kHealthy);
  return world;
}

}  // namespace

TEST_CASE("a missing kind of ServiceMonitor is in the way of Ready only where it is asked for") {
  World world = serving();
  auto& wish = world.observed.classifier.spec.monitoring.service_monitor;
  wish = api::MonitoringSpec::kEnabled;
  const Report missed = report(world);
  CHECK(state(missed, "Ready") == "False/ServiceMonitorKindMissing");
  CHECK(state(missed, "EndpointReady") == "True/Answering");
  const diagnosis::Finding found = make_plan(world.observed, kNow).obstacles.at(0);
  wish = api::MonitoringSpec::kAuto;
  CHECK(state(report(world), "Ready") == "True/Ready");
  // Of a kind that goes while the object is being made.
  CHECK(state(report(world, {found}), "Ready") == "True/Ready");
}

TEST_CASE("the digest is the one that pods of the specification have pulled, and stays while the tag moves") {
  World world = serving();
  const std::string name = "contoso.azurecr.io/inference-server";
  CHECK(report(world).status.image == api::ImageStatus{name + ":demo", "", ""});
  world.pod_waits("", "");
  auto replica_set = std::make_shared<api::ReplicaSet>(*world.observed.replica_sets[0]);
  replica_set->metadata.pod_revision = make_plan(world.observed, kNow).rollout.wanted.name;
  world.observed.replica_sets = {replica_set};
  auto pod = std::make_shared<api::Pod>(*world.observed.pods[0]);
  pod->containers[0].image_digest = "sha256:b";
  world.observed.pods = {pod};
  const Report first = report(world);
  CHECK(first.status.image == api::ImageStatus{name + ":demo", name + "@sha256:b", "sha256:b"});
  auto other = std::make_shared<api::Pod>(*pod);
  other->containers[0].image_digest = "sha256:a";
  world.show(first.status).observed.pods = {other, pod};
  CHECK(report(world).status.image->digest == "sha256:b");
  world.observed.pods = {other};
  CHECK(report(world).status.image->digest == "sha256:a");
  world.observed.pods.clear();
  CHECK(report(world).status.image->digest == "sha256:b");
  world.observed.classifier.spec.image = name + ":next";
  CHECK(report(world).status.image == api::ImageStatus{name + ":next", "", ""});
}

TEST_CASE("all conditions are there from the first pass on") {
  const Report first = report(World());
  CHECK(first.status.observed_generation == 1);
  CHECK(state(first, "CredentialReady") == "True/NodeIdentity");
  CHECK(state(first, "WorkloadAvailable") == "Unknown/PodsStarting");
  CHECK(state(first, "EndpointReady") == "Unknown/LoadBalancerPending");
  CHECK(state(first, "RolledBack") == "False/NotRolledBack");
  CHECK(state(first, "Ready") == "Unknown/PodsStarting");
  CHECK(state(first, "Reconciling") == "True/PodsStarting");
  CHECK(state(first, "Stalled") == "False/Reconciling");
}

TEST_CASE("an object that is missing is the cause, before the first pod and while pods run") {
  const std::string spec = R"({"model": {"labels": {"configMapKeyRef": {"name": "words", "key": "a"}}}})";
  World world(spec);
  const Report first = report(world);
  CHECK(state(first, "WorkloadAvailable") == "False/ConfigMapNotFound");
  CHECK(state(first, "Ready") == "False/ConfigMapNotFound");
  CHECK(first.look_again <= std::chrono::seconds(30));
  const ReferenceKey words(resources::Reference::Kind::kConfigMap, "words");
  world.observed.references[words].keys = {"a"};
  world.settle().deployment_status(1, 1, 1).address("10.0.0.7").probe(EndpointState::Kind::kHealthy);
  CHECK(state(report(world), "Ready") == "True/Ready");
  world.observed.references.clear();
  CHECK(state(report(world), "WorkloadAvailable") == "True/ConfigMapNotFound");
  CHECK(state(report(world), "Ready") == "False/ConfigMapNotFound");
}

TEST_CASE("a classifier that answers is Ready, and says how an internal address is opened") {
  const Report made = report(serving());
  CHECK(state(made, "Ready") == "True/Ready");
  CHECK(state(made, "Reconciling") == "False/Stable");
  CHECK(state(made, "Stalled") == "False/Stable");
  CHECK(made.status.endpoint->url == "http://10.0.0.7/");
  CHECK(api::find_condition(made.status.conditions, "Ready")->message.find("spec.service.sourceRanges") !=
        std::string::npos);
  CHECK(made.probe.url == "http://10.0.0.7");
  CHECK(made.look_again == std::chrono::minutes(5));
}

TEST_CASE("what the status shows already is not changed by another pass, whatever the time") {
  World world = serving();
  const Report first = report(world);
  world.show(first.status);
  CHECK(report(world, {}, kNow + std::chrono::hours(3)).status == first.status);

  World failing;
  failing.settle().deployment_status(1, 1, 0).address("10.0.0.7").pod_waits("ErrImagePull", kNotFound);
  const Report before = report(failing);
  failing.show(before.status)
      .pod_waits("ImagePullBackOff", std::string("Back-off pulling image \"x\": ErrImagePull: ") + kNotFound);
  CHECK(report(failing, {}, kNow + std::chrono::hours(3)).status == before.status);
}

TEST_CASE("a kubelet that leaves out the cause while it backs off does not change the status") {
  World failing;
  failing.settle().deployment_status(1, 1, 0).pod_waits("ErrImagePull", kNotFound);
  const Report before = report(failing);
  failing.show(before.status).pod_waits("ImagePullBackOff", "Back-off pulling image \"x\"");
  CHECK(report(failing).status == before.status);
}

TEST_CASE("lastTransitionTime moves with the status of its condition only") {
  World world = serving();
  world.show(report(world).status);
  world.deployment_status(1, 1, 0);
  const Report later = report(world, {}, kNow + std::chrono::seconds(5));
  CHECK(api::find_condition(later.status.conditions, "Ready")->last_transition_time == "2026-01-31T08:00:15Z");
  CHECK(api::find_condition(later.status.conditions, "CredentialReady")->last_transition_time ==
        "2026-01-31T08:00:10Z");
}

TEST_CASE("a refused credential is reported on the credential, the workload and the summary, and is stalled") {
  World world(kBasic);
  world.basic_secret("wrong").settle().deployment_status(1, 1, 0).pod_waits("ErrImagePull", kUnauthorized);
  const Report made = report(world);
  for (const char* type : {"CredentialReady", "WorkloadAvailable", "Ready"})
    CHECK(state(made, type) == "False/CredentialRefused");
  CHECK(state(made, "Stalled") == "True/CredentialRefused");
  CHECK(state(made, "Reconciling").starts_with("False/"));
  CHECK(made.status.last_failure->pod_name == "pets-1");
  CHECK(made.status.last_failure->reason == "CredentialRefused");
  CHECK(made.look_again <= std::chrono::seconds(30));
}

TEST_CASE("a Secret of spec.pod.imagePullSecrets that is missing is the credential's fault") {
  World world(R"({"pod": {"imagePullSecrets": [{"name": "gone"}]}})");
  world.settle().deployment_status(1, 1, 0).pod_waits("ErrImagePull", kUnauthorized);
  CHECK(state(report(world), "CredentialReady") == "False/CredentialRefused");
  world.observed.missing_pull_secret = "gone";
  for (const char* type : {"CredentialReady", "WorkloadAvailable", "Ready"})
    CHECK(state(report(world), type) == "False/PullSecretMissing");
}

TEST_CASE("while a rollout fails the old pods keep the workload available and Ready names the failure") {
  World world = serving();
  world.deployment_status(2, 1, 1).pod_waits("ErrImagePull", kNotFound);
  const Report made = report(world);
  CHECK(state(made, "WorkloadAvailable") == "True/RolloutInProgress");
  CHECK(state(made, "Ready") == "False/ManifestUnknown");
}

TEST_CASE("what is broken is reported before what is on its way") {
  World world;
  world.settle().deployment_status(1, 1, 0);
  api::Event event;
  event.involved_uid = "service";
  event.type = "Warning";
  event.reason = "AllocationFailed";
  event.message = "no available IPs";
  world.observed.service_events = {std::make_shared<api::Event>(event)};
  const Report made = report(world);
  CHECK(state(made, "WorkloadAvailable") == "False/PodsStarting");
  CHECK(state(made, "EndpointReady") == "False/LoadBalancerAddressesExhausted");
  CHECK(state(made, "Ready") == "False/LoadBalancerAddressesExhausted");
}

TEST_CASE("Ready waits for the operator's own answer from the address") {
  World world;
  world.settle().deployment_status(1, 1, 1).address("10.0.0.7");
  CHECK(state(report(world), "EndpointReady") == "Unknown/Probing");
  world.probe(EndpointState::Kind::kUnhealthy, "HTTP status 503");
  CHECK(state(report(world), "Ready") == "False/EndpointUnhealthy");
  world.probe(EndpointState::Kind::kHealthy);
  CHECK(state(report(world), "Ready") == "True/Ready");
}

TEST_CASE("an operator that has just started does not doubt an endpoint that answered before") {
  World world = serving();
  world.show(report(world).status);
  world.observed.endpoint = {};
  CHECK(state(report(world), "Ready") == "True/Ready");
  world.address("10.0.0.8");
  CHECK(state(report(world), "EndpointReady") == "Unknown/Probing");
}

TEST_CASE("nor one that did not answer: what it said is not said again in other words") {
  World world = serving();
  world.probe(EndpointState::Kind::kUnhealthy, "no answer within 5 seconds");
  const api::Status told = report(world).status;
  world.show(told);
  world.observed.endpoint = {};
  CHECK(report(world, {}, kNow + std::chrono::hours(1)).status == told);
  world.address("10.0.0.8");
  CHECK(state(report(world), "EndpointReady") == "Unknown/Probing");
}

TEST_CASE("events that expire do not change what they told of a load balancer") {
  World world;
  world.settle().deployment_status(1, 1, 1);
  api::Event event;
  event.involved_uid = world.observed.service->metadata.uid;
  event.type = "Warning";
  event.reason = "AllocationFailed";
  event.message = "Failed to allocate IP for \"zoo/pets\": no available IPs";
  world.observed.service_events = {std::make_shared<api::Event>(event)};
  const api::Status told = report(world).status;
  REQUIRE(api::find_condition(told.conditions, "EndpointReady")->reason == "LoadBalancerAddressesExhausted");
  world.show(told);
  world.observed.service_events.clear();
  CHECK(report(world, {}, kNow + std::chrono::hours(2)).status == told);
}

TEST_CASE("a failing endpoint is not looked at again and again: prober and watches tell of its changes") {
  World world = serving();
  world.probe(EndpointState::Kind::kUnhealthy, "no answer within 5 seconds");
  CHECK(report(world).look_again >= std::chrono::minutes(5));
  CHECK(report(World(kBasic)).look_again <= std::chrono::seconds(30));
}

TEST_CASE("a failure that is cured stays as the last failure") {
  World world(kBasic);
  world.show(report(world).status);
  CHECK(world.observed.classifier.status.last_failure->reason == "SecretNotFound");
  world.basic_secret("p").settle().deployment_status(1, 1, 1).address("10.0.0.7").probe(EndpointState::Kind::kHealthy);
  const Report made = report(world);
  CHECK(state(made, "Ready") == "True/Ready");
  CHECK(made.status.last_failure->reason == "SecretNotFound");
}

TEST_CASE("a refused Deployment is stalled with the server's words") {
  World world;
  auto finding = diagnosis::make_finding("PodTemplateInvalid", {{"object", "pets"}, {"detail", "it is bad"}});
  finding.object = "Deployment pets";
  const Report made = report(world, {finding});
  CHECK(state(made, "WorkloadAvailable") == "False/PodTemplateInvalid");
  CHECK(state(made, "Stalled") == "True/PodTemplateInvalid");
}

TEST_CASE("zero replicas are as wanted once the pods are gone") {
  World world(R"({"replicas": 0})");
  world.settle().deployment_status(1, 1, 1).address("10.0.0.7");
  CHECK(state(report(world), "Ready") == "False/PodsEnding");
  CHECK(state(report(world), "Reconciling") == "True/PodsEnding");
  world.deployment_status(0, 0, 0);
  CHECK(state(report(world), "WorkloadAvailable") == "True/ScaledToZero");
  CHECK(state(report(world), "EndpointReady") == "Unknown/ScaledToZero");
  CHECK(state(report(world), "Ready") == "True/ScaledToZero");
  CHECK(state(report(world), "Suspended") == "True/ScaledToZero");
  CHECK(report(world).probe.url.empty());
}

TEST_CASE("a suspended classifier is as wanted without pods and keeps its address") {
  World world(R"({"suspend": true, "replicas": 3})");
  world.settle().deployment_status(0, 0, 0).address("10.0.0.7");
  const Report made = report(world);
  for (const char* type : {"Ready", "WorkloadAvailable", "Suspended"}) CHECK(state(made, type) == "True/Suspended");
  CHECK(state(made, "EndpointReady") == "Unknown/Suspended");
  CHECK(made.status.endpoint->address == "10.0.0.7");
  World pending(R"({"suspend": true})");
  pending.settle().deployment_status(0, 0, 0);
  CHECK(state(report(pending), "Ready") == "True/Suspended");
  CHECK(state(report(serving()), "Suspended") == "False/PodsWanted");
}

TEST_CASE("a classifier that is born suspended never says that pods are started") {
  World world(R"({"suspend": true})");
  Report made = report(world);
  CHECK(state(made, "WorkloadAvailable") == "True/Suspended");
  CHECK(state(made, "Ready") == "False/Reconciling");
  world.settle();
  CHECK(state(report(world), "WorkloadAvailable") == "True/Suspended");
  CHECK(state(report(world), "Reconciling") == "True/Reconciling");
  world.deployment_status(0, 0, 0);
  CHECK(state(report(world), "WorkloadAvailable") == "True/Suspended");
}

TEST_CASE("a Deployment that somebody has paused is the reason why nothing changes, and says how it goes on") {
  World world = serving();
  auto paused = std::make_shared<api::Deployment>(*world.observed.deployment);
  paused->paused = true;
  world.observed.deployment = paused;
  CHECK(state(report(world), "Ready") == "True/Ready");
  world.deployment_status(1, 0, 1);
  const Report made = report(world);
  CHECK(state(made, "WorkloadAvailable") == "True/DeploymentPaused");
  CHECK(state(made, "Ready") == "False/DeploymentPaused");
  CHECK(state(made, "Stalled") == "True/DeploymentPaused");
  CHECK_THAT(api::find_condition(made.status.conditions, "Ready")->message,
             Catch::Contains("kubectl rollout resume deployment/pets"));
}

TEST_CASE("outside the windows of its schedule a classifier is suspended and says when that ends") {
  World world(R"({"schedule": {"timeZone": "UTC", "windows": [{"days": ["Sat"], "start": "09:00", "end": "17:00"}]}})");
  world.settle().deployment_status(0, 0, 0).address("10.0.0.7");
  const Report made = report(world);
  CHECK(state(made, "Ready") == "True/Suspended");
  CHECK(api::find_condition(made.status.conditions, "Suspended")->message.find("spec.schedule") != std::string::npos);
  CHECK(made.status.next_scheduled_change == "2026-01-31T09:00:00Z");
  const WallTime soon = *api::parse_rfc3339("2026-01-31T08:59:58Z");
  CHECK(report(world, {}, soon).due > std::chrono::seconds(2));
  CHECK(report(world, {}, soon).due < std::chrono::seconds(3));
  const Report open = report(world, {}, kNow + std::chrono::hours(1));
  CHECK(state(open, "Suspended") == "False/PodsWanted");
  CHECK(open.status.next_scheduled_change == "2026-01-31T17:00:00Z");
}

TEST_CASE("a time zone that does not exist leaves the pods as they are and says what to write") {
  World world = serving();
  world.observed.classifier.spec.schedule = api::ScheduleSpec{"Mars/Olympus", {{127, 0, 1440, {}}}};
  CHECK(make_plan(world.observed, kNow).actions.empty());
  const Report made = report(world);
  CHECK(state(made, "Ready") == "False/TimeZoneInvalid");
  CHECK(state(made, "Stalled") == "True/TimeZoneInvalid");
  CHECK(state(made, "WorkloadAvailable") == "True/TimeZoneInvalid");

  World born;
  born.observed.classifier.spec.schedule = world.observed.classifier.spec.schedule;
  CHECK(state(report(born), "WorkloadAvailable") == "False/TimeZoneInvalid");
  CHECK(state(report(born), "Ready") == "False/TimeZoneInvalid");

  World autoscaled = World(R"({"autoscaling": {"minReplicas": 2, "maxReplicas": 6}})").settle();
  autoscaled.observed.classifier.spec.schedule = world.observed.classifier.spec.schedule;
  CHECK(make_plan(autoscaled.observed, kNow).actions.empty());
}

TEST_CASE("with an autoscaler the pods that it wants are the wanted ones") {
  World world(R"({"autoscaling": {"minReplicas": 2, "maxReplicas": 6}})");
  world.settle();
  auto scaled = std::make_shared<api::Deployment>(*world.observed.deployment);
  scaled->replicas = 5;
  world.observed.deployment = scaled;
  world.deployment_status(5, 5, 4);
  CHECK(state(report(world), "WorkloadAvailable") == "False/PodsStarting");
  world.deployment_status(5, 5, 5);
  CHECK(state(report(world), "WorkloadAvailable") == "True/Available");
}

TEST_CASE("an option that the API server refuses keeps the resource from being Ready") {
  auto finding =
      diagnosis::make_finding("ObjectRefused", {{"kind", "NetworkPolicy"}, {"object", "pets"}, {"detail", "x"}});
  finding.object = "NetworkPolicy pets";
  CHECK(state(report(serving(), {finding}), "Ready") == "False/ObjectRefused");
}

TEST_CASE("what the API server refuses is tried ever more seldom, and said once") {
  const auto refused = [](const char* reason) {
    return finding_about(reason, resources::Kind::kPodDisruptionBudget, "pets", "exceeded quota");
  };
  World world = serving();
  int tries = 0, writes = 0;
  for (WallTime now = kNow; now < kNow + std::chrono::hours(1); ++tries) {
    const Report made = report(world, {refused("ObjectRefused")}, now, now - kNow);
    CHECK(state(made, "Reconciling") == "True/ObjectRefused");
    if (!(made.status == world.observed.classifier.status)) ++writes;
    world.show(made.status);
    now += made.look_again;
  }
  CHECK(tries <= 18);
  CHECK(writes == 1);
  CHECK(state(report(world, {refused("ObjectInvalid")}), "Stalled") == "True/ObjectInvalid");
  // What has pauses of its own, or may be mended unseen, is looked at as often as ever.
  const Duration long_since = std::chrono::hours(1);
  CHECK(report(world, {refused("FieldContested")}, kNow, long_since).look_again == std::chrono::seconds(15));
  CHECK(report(World(kBasic), {refused("ObjectRefused")}, kNow, long_since).look_again == std::chrono::seconds(15));
}

TEST_CASE("an option that the API server refuses is told beside what stands deeper") {
  World world;
  world.settle();
  const Report made =
      report(world, {finding_about("ServiceInvalid", resources::Kind::kService, "pets", "no"),
                     finding_about("ObjectRefused", resources::Kind::kPodDisruptionBudget, "pets", "quota")});
  CHECK(state(made, "Ready") == "False/ServiceInvalid");
  CHECK_THAT(api::find_condition(made.status.conditions, "Ready")->message,
             Catch::Contains(" Beside that: ") && Catch::Contains("PodDisruptionBudget pets"));
}

TEST_CASE("a silent load balancer is looked at again when its two minutes are over") {
  World world;
  world.settle().deployment_status(1, 1, 1);
  CHECK(report(world, {}, kNow + std::chrono::seconds(100)).due <= std::chrono::seconds(11));
  CHECK(state(report(world, {}, kNow + std::chrono::minutes(3)), "Ready") == "False/NoLoadBalancerProvider");
}

TEST_CASE("messages end with what to do and fit a condition") {
  World world;
  world.settle().deployment_status(1, 1, 0).pod_waits("CreateContainerConfigError", std::string(5000, 'x'));
  for (const api::Condition& condition : report(world).status.conditions)
    CHECK(condition.message.size() <= api::kMaxMessageBytes);
}

TEST_CASE("an address of the internet that nobody asked for is a failure with a way out") {
  World world;
  world.settle().deployment_status(1, 1, 1).address("20.61.99.1").probe(EndpointState::Kind::kHealthy);
  const Report made = report(world);
  CHECK(state(made, "EndpointReady") == "False/EndpointPublic");
  CHECK(state(made, "Ready") == "False/EndpointPublic");
  CHECK(made.status.endpoint->scope == "Public");
}

TEST_CASE("an address that the operator must not ask is not said to fail") {
  World world;
  world.settle().deployment_status(1, 1, 1).address("127.0.0.1");
  CHECK(state(report(world), "EndpointReady") == "False/EndpointNotAsked");

  auto service = std::make_shared<api::Service>(*world.observed.service);
  service->cluster_ip = "10.96.0.9";
  world.observed.service = service;
  CHECK(report(world).probe.url == "http://10.96.0.9");
  CHECK(state(report(world), "EndpointReady") == "Unknown/Probing");
  world.probe(EndpointState::Kind::kHealthy);
  world.observed.endpoint.url = "http://10.96.0.9";
  const Report made = report(world);
  CHECK(state(made, "EndpointReady") == "True/AnsweringInside");
  CHECK(made.status.endpoint->probed_from == "ClusterNetwork");
  world.probe(EndpointState::Kind::kUnhealthy, "HTTP status 503");
  world.observed.endpoint.url = "http://10.96.0.9";
  CHECK(state(report(world), "EndpointReady") == "False/EndpointNotAsked");
}

TEST_CASE("a load balancer's name that stands for an address that must not be asked is said to be one") {
  World world;
  world.settle().deployment_status(1, 1, 1).address("balancer.example.com");
  world.probe(EndpointState::Kind::kUnhealthy, "its name stands for a loopback address", true);
  world.observed.endpoint.forbidden = true;
  CHECK(state(report(world), "EndpointReady") == "True/AnsweringInside");
  world.observed.endpoint.inside = false;
  const Report made = report(world);
  CHECK(state(made, "EndpointReady") == "False/EndpointNotAsked");
  // An operator that has just started says the same.
  world.show(made.status).observed.endpoint = {};
  CHECK(report(world).status == made.status);
}

TEST_CASE("an address that cannot be reached from inside is answered for by the Service, and it says so") {
  World world;
  world.settle().deployment_status(1, 1, 1).address("10.0.0.7");
  world.probe(EndpointState::Kind::kUnhealthy, "no answer within 5 seconds", true);
  const Report made = report(world);
  CHECK(state(made, "EndpointReady") == "True/AnsweringInside");
  CHECK(state(made, "Ready") == "True/Ready");
  CHECK(made.status.endpoint->probed_from == "ClusterNetwork");
  for (const char* type : {"EndpointReady", "Ready"}) {
    CHECK_THAT(api::find_condition(made.status.conditions, type)->message,
               Catch::Contains("http://10.0.0.7/ cannot be reached from the operator (no answer within 5 seconds)"));
  }
  // An operator that has just started says the same.
  world.show(made.status).observed.endpoint = {};
  CHECK(report(world).status == made.status);
}

TEST_CASE("an address that has answered is not excused by the Service, after a restart neither") {
  World world;
  world.settle().deployment_status(1, 1, 1).address("10.0.0.7").probe(EndpointState::Kind::kHealthy);
  Report made = report(world);
  CHECK(made.status.endpoint->probed_from == "LoadBalancer");
  world.show(made.status).observed.endpoint = {};
  world.probe(EndpointState::Kind::kUnhealthy, "the connection failed", true);
  made = report(world);
  CHECK(state(made, "EndpointReady") == "False/EndpointUnhealthy");
  CHECK(made.status.endpoint->probed_from == "LoadBalancer");
  CHECK_THAT(api::find_condition(made.status.conditions, "EndpointReady")->message,
             Catch::Contains("the connection failed; in the cluster network its Service answers"));
  world.show(made.status).deployment_status(1, 1, 0);
  CHECK(report(world).status.endpoint->probed_from == "LoadBalancer");
}

TEST_CASE("the endpoint says since when it is as it is") {
  World world;
  world.settle().deployment_status(1, 1, 1).address("10.0.0.7");
  const auto since = [&](Duration after) {
    world.show(report(world, {}, kNow + after).status);
    return world.observed.classifier.status.endpoint->last_transition_time;
  };
  const auto later = [](Duration after) { return format_rfc3339(kNow + after); };
  using std::chrono::minutes;
  CHECK(since(minutes(1)) == later(minutes(1)));
  world.probe(EndpointState::Kind::kHealthy);
  CHECK(since(minutes(2)) == later(minutes(2)));  // where the answer came from is known now
  world.probe(EndpointState::Kind::kUnhealthy, "HTTP status 503");
  CHECK(since(minutes(3)) == later(minutes(2)));
  world.address("10.0.0.8");
  CHECK(since(minutes(4)) == later(minutes(4)));
}

TEST_CASE("while a window of the schedule asks for another number, it is said what kubectl scale changes") {
  World world(R"({"replicas": 2, "schedule": {"timeZone": "UTC", "windows": [
                   {"days": ["Sat"], "start": "07:00", "end": "20:00", "replicas": 3}]}})");
  world.settle().deployment_status(3, 3, 3).settle().address("10.0.0.7").probe(EndpointState::Kind::kHealthy);
  const auto said = [&] { return api::find_condition(report(world).status.conditions, "Ready")->message; };
  CHECK_THAT(said(), Catch::Contains("asks for 3 replicas now; spec.replicas, which kubectl scale changes"));
  world.observed.classifier.spec.replicas = 3;
  CHECK_THAT(said(), !Catch::Contains("kubectl scale"));
}

TEST_CASE("once the Service is another one, nothing is known of who reaches it") {
  World world;
  world.settle().deployment_status(1, 1, 1).address("10.0.0.7").probe(EndpointState::Kind::kHealthy);
  world.show(report(world).status);
  world.observed.classifier.spec.service.source_ranges = {"203.0.113.0/24"};
  ++world.observed.classifier.metadata.generation;
  world.show(report(world).status);
  CHECK(world.observed.classifier.status.endpoint->probed_from.empty());
  CHECK(state(report(world), "EndpointReady") == "True/Answering");
  world.observed.endpoint = {};
  world.probe(EndpointState::Kind::kUnhealthy, "no answer within 5 seconds", true);
  CHECK(state(report(world), "EndpointReady") == "True/AnsweringInside");
}

TEST_CASE("a Service inside the cluster waits for no load balancer") {
  World world(R"({"service": {"type": "ClusterIP"}})");
  CHECK(state(report(world), "EndpointReady") == "Unknown/ServicePending");
  world.settle();
  CHECK(state(report(world), "EndpointReady") == "Unknown/ServicePending");
}

TEST_CASE("the self-test has passed when a pod of this revision is ready") {
  World world(R"({"selfTest": {"image": {"path": "/cat.jpg"}, "expectedLabel": "tabby"}})");
  CHECK(state(report(World()), "SelfTestPassed") == "absent");
  CHECK(state(report(world), "SelfTestPassed") == "Unknown/SelfTestPending");
  world.settle().deployment_status(1, 1, 0).pod_waits("ContainerCreating", "");
  CHECK(state(report(world), "SelfTestPassed") == "Unknown/SelfTestPending");
  api::Pod pod = *world.observed.pods[0];
  pod.conditions.push_back({"Ready", "True", 0, "", "", ""});
  world.observed.pods = {std::make_shared<api::Pod>(pod)};
  world.deployment_status(1, 1, 1);
  CHECK(state(report(world), "SelfTestPassed") == "True/SelfTestPassed");

  pod.conditions.clear();
  pod.containers[0].waiting_reason = "CrashLoopBackOff";
  pod.containers[0].exit_code = 78;
  pod.containers[0].terminated_message = R"({"reason": "SelfTestFailed", "message": "it was taken for a dog"})";
  world.observed.pods = {std::make_shared<api::Pod>(pod)};
  world.deployment_status(1, 1, 0);
  CHECK(state(report(world), "SelfTestPassed") == "False/SelfTestFailed");
  CHECK(state(report(world), "Ready") == "False/SelfTestFailed");
}

TEST_CASE("the Secret with the callers' password is named, whoever made it") {
  CHECK(report(World()).status.access_secret_name.empty());
  World own(R"({"service": {"authentication": {"type": "Basic"}}})");
  CHECK(report(own).status.access_secret_name == "pets-access");
  World users(R"({"service": {"authentication": {"type": "Basic", "secretName": "callers"}}})");
  CHECK(report(users).status.access_secret_name == "callers");
}
