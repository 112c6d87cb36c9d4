#include "operator/reconciler/reconciler.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "operator/resources/builders.hpp"
#include "tests/operator/reconciler/fixtures.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_transport.hpp"
#include "tests/support/no_token.hpp"

using namespace imageclassifier;
using namespace imageclassifier::reconciler;
using namespace std::chrono_literals;
using imageclassifier::testing::FakeClock;
using imageclassifier::testing::FakeTransport;
using imageclassifier::testing::NoToken;
using nlohmann::json;
using reconciler::testing::kBasic;
using reconciler::testing::World;
using runtime::Outcome;

namespace {

const std::string kSpace = "/api/v1/namespaces/zoo/";
const std::string kClassifier = "/apis/imageclassifier.dev/v1alpha1/namespaces/zoo/imageclassifiers/pets";
const std::string kDeployment = "/apis/apps/v1/namespaces/zoo/deployments/pets";
const std::string kRevisions = "/apis/apps/v1/namespaces/zoo/controllerrevisions/";
const std::string kNetworkPolicy = "/apis/networking.k8s.io/v1/namespaces/zoo/networkpolicies/pets";
const std::string kService = kSpace + "services/pets";
const std::string kPullSecret = kSpace + "secrets/pets-acr-pull";
const std::string kSourceSecret = kSpace + "secrets/acr-credentials";

json classifier_object(const std::string& spec) {
  json object = json::parse(R"({"metadata": {"name": "pets", "namespace": "zoo", "uid": "owner", "generation": 1,
                                             "resourceVersion": "1"},
                                "spec": {"image": "contoso.azurecr.io/inference-server:demo"}})");
  object["spec"].merge_patch(json::parse(spec));
  return object;
}

json stored(const resources::Manifest& manifest, const std::string& version) {
  json object = json::parse(manifest.body);
  object["metadata"]["uid"] = std::string("uid-") + to_string(manifest.kind);
  object["metadata"]["resourceVersion"] = version;
  object["metadata"]["generation"] = 1;
  return object;
}

resources::Manifest deployment_of(const api::ImageClassifier& classifier, std::int64_t replicas) {
  return resources::build_deployment(classifier, replicas, resources::pod_revision(classifier));
}

resources::Manifest revision_of(const api::ImageClassifier& classifier) {
  return resources::build_revision(classifier, resources::pod_revision(classifier),
                                   {1, resources::specification_digest(classifier), 0, {}});
}

template <typename T>
std::shared_ptr<const api::Record<T>> recorded(const T& object) {
  return std::make_shared<const api::Record<T>>(object);
}

std::string status_body(int code, const std::string& reason, const std::string& message) {
  return json({{"kind", "Status"}, {"code", code}, {"reason", reason}, {"message", message}}).dump();
}

/// Caches that hold `spec` and its children, and an API server that is asked in a given order.
struct Rig {
  explicit Rig(const std::string& spec = "{}") {
    const json object = classifier_object(spec);
    classifier = *api::decode_image_classifier(object.dump());
    cache(object);
  }
  void cache(const json& object) { classifiers.upsert(recorded(*api::decode_packed_classifier(object.dump()))); }
  json deployment() const { return stored(deployment_of(classifier, classifier.spec.replicas), "10"); }
  json network_policy() const {
    return stored(resources::build_network_policy(classifier, classifier.spec.network_policy), "10");
  }
  json service() const { return stored(resources::build_service(classifier, classifier.spec.service), "10"); }
  Rig& cache_children() {
    deployments.upsert(recorded(*api::decode_deployment(deployment().dump())));
    services.upsert(recorded(*api::decode_service(service().dump())));
    network_policies.upsert(recorded(*api::decode_child(network_policy().dump())));
    return cache_revision();
  }
  Rig& cache_revision() {
    revisions.upsert(recorded(*api::decode_revision(stored(revision_of(classifier), "10").dump())));
    return *this;
  }
  /// The live reads, in their order; of what is in the cluster.
  void expect_live_reads(const json& live, const json& live_deployment) {
    server.expect("GET " + kClassifier, 200, live.dump());
    server.expect("GET " + kDeployment, 200, live_deployment.dump());
    server.expect("GET " + kService, 200, service().dump());
    server.expect("GET " + kNetworkPolicy, 200, network_policy().dump());
    const api::ImageClassifier wanting = *api::decode_image_classifier(live.dump());
    server.expect("GET " + kRevisions + resources::pod_revision(wanting).name, 200,
                  stored(revision_of(wanting), "10").dump());
  }
  Rig& expect_status() {
    server.expect("PATCH " + kClassifier + "/status*", 200, R"({"metadata": {"resourceVersion": "20"}})");
    return *this;
  }
  Outcome reconcile() {
    const Outcome outcome = reconciler.reconcile({"zoo", "pets"}, {});
    CHECK(server.finish().empty());
    for (const std::string& problem : server.finish()) WARN(problem);
    return outcome;
  }

  FakeClock clock{true};
  MetricsRegistry metrics;
  FakeTransport server;
  NoToken tokens;
  kubernetes::ApiClient client{server, tokens, clock, metrics, {}};
  Store<api::PackedClassifier> classifiers;
  Store<api::Deployment> deployments;
  Store<api::Revision> revisions;
  Store<api::ReplicaSet> replica_sets;
  Store<api::Pod> pods;
  Store<api::Service> services;
  Store<api::Event> events;
  Store<api::Child> network_policies;
  api::ImageClassifier classifier;
  std::string seen = "5";
  runtime::WriteBarrier barrier{{}, [this](std::string_view) { return seen; }, clock};
  EndpointProber prober{
      {}, [](const ProbeTarget&, std::stop_token) { return ProbeResult{}; }, [](const auto&) {}, clock};
  MintDesk mint_desk{{},
                     [](const std::string&, const kubernetes::Request&) { return nobody(); },
                     [](const kubernetes::Request&) { return nobody(); },
                     client,
                     [](const auto&) {},
                     clock,
                     metrics};
  static Result<kubernetes::Response> nobody() { return fail(ErrorCode::kUnavailable, "nobody is to be asked"); }
  ImageChecker images{
      {},
      [](const auto&, const auto&, const registry::Preflight*, std::stop_token) { return registry::Preflight{}; },
      [](const auto&) {},
      clock,
      metrics};
  NodeArchitectures nodes{client, [](const auto&) {}, clock};
  std::vector<runtime::Event> told;
  Reconciler reconciler{{classifiers,
                         deployments,
                         revisions,
                         replica_sets,
                         pods,
                         services,
                         events,
                         {{resources::Kind::kNetworkPolicy, &network_policies}}},
                        client,
                        prober,
                        mint_desk,
                        images,
                        nodes,
                        barrier,
                        [this](runtime::Event event) { told.push_back(std::move(event)); },
                        clock,
                        metrics};
};

}  // namespace

TEST_CASE("what a specification names is read by name, each object once") {
  Rig rig(R"({"model": {"source": {"persistentVolumeClaim": {"claimName": "models", "path": "/a"}},
                        "labels": {"configMapKeyRef": {"name": "words", "key": "a"}}}})");
  rig.server.expect("GET " + kSpace + "persistentvolumeclaims/models", 200, "{}");
  rig.server.expect("GET " + kSpace + "configmaps/words", 403,
                    status_body(403, "Forbidden", "cannot get resource \"configmaps\""));
  rig.expect_status();
  CHECK(rig.reconcile().kind == Outcome::Kind::kRequeueAfter);
  CHECK(rig.server.requests().back().body.find("cannot get resource") != std::string::npos);
}

TEST_CASE("a Secret of spec.pod.imagePullSecrets is looked for only while a pull fails, and its absence is told") {
  Rig rig(R"({"pod": {"imagePullSecrets": [{"name": "team"}, {"name": "gone"}, {"name": "more"}]}})");
  rig.cache_children().expect_status();
  rig.reconcile();
  api::ReplicaSet replica_set;
  replica_set.metadata.name = replica_set.metadata.uid = "rs";
  replica_set.metadata.namespace_name = "zoo";
  replica_set.metadata.owner_uid = "uid-Deployment";
  rig.replica_sets.upsert(recorded(replica_set));
  api::Pod pod;
  pod.metadata = replica_set.metadata;
  pod.metadata.owner_uid = "rs";
  pod.containers.emplace_back().waiting_reason = "ImagePullBackOff";
  pod.containers[0].waiting_message = "ErrImagePull: failed to pull: 401 Unauthorized";
  rig.pods.upsert(recorded(pod));
  rig.seen = "20";
  rig.server.expect("GET " + kSpace + "secrets/team", 200, "{}");
  rig.server.expect("GET " + kSpace + "secrets/gone", 404, status_body(404, "NotFound", "gone"));
  rig.expect_status();
  rig.reconcile();
  CHECK_THAT(rig.server.requests().back().body, Catch::Contains("PullSecretMissing"));
  // Who may not read it does not know.
  rig.seen = "21";
  rig.server.expect("GET " + kSpace + "secrets/team", 403, status_body(403, "Forbidden", "no"));
  rig.server.expect("GET " + kSpace + "secrets/gone", 403, status_body(403, "Forbidden", "no"));
  rig.server.expect("GET " + kSpace + "secrets/more", 200, "{}");
  rig.expect_status();
  rig.reconcile();
  CHECK_THAT(rig.server.requests().back().body, Catch::Contains("CredentialRefused"));
}

TEST_CASE("the template that runs in place of a failed one is read from its revision, and what runs it is left alone") {
  Rig rig(R"({"image": "contoso.azurecr.io/inference-server:bad"})");
  Rig good(R"({"image": "contoso.azurecr.io/inference-server:good"})");
  const json failed = stored(resources::build_revision(rig.classifier, resources::pod_revision(rig.classifier),
                                                       {2, resources::specification_digest(rig.classifier), 0,
                                                        R"({"reason": "ModelInvalid"})"}),
                             "10");
  const json restored = stored(resources::build_revision(good.classifier, resources::pod_revision(good.classifier),
                                                         {1, resources::specification_digest(good.classifier), 1, {}}),
                               "10");
  rig.cache_children();
  rig.deployments.upsert(recorded(*api::decode_deployment(good.deployment().dump())));
  rig.revisions.replace({});
  for (const json& revision : {failed, restored})
    rig.revisions.upsert(recorded(*api::decode_revision(revision.dump())));
  rig.server.expect("GET " + kRevisions + resources::pod_revision(good.classifier).name, 200, restored.dump());
  rig.expect_status();
  rig.reconcile();
  CHECK_THAT(rig.server.requests().back().body, Catch::Contains("RolledBack"));
}

TEST_CASE("a resource whose last write no cache has seen is not looked at, and nothing is asked of the server") {
  Rig rig;
  rig.barrier.record({"zoo", "pets"}, "deployments", "9");
  const Outcome outcome = rig.reconcile();
  CHECK(outcome.kind == Outcome::Kind::kNotYet);
  CHECK(outcome.delay == 20ms);
  CHECK(rig.server.requests().empty());
}

TEST_CASE("when the watch stays behind, resource and children are read live: what exists is not made again") {
  Rig rig;
  rig.barrier.record({"zoo", "pets"}, "deployments", "9");
  rig.clock.advance(10s);
  rig.expect_live_reads(classifier_object("{}"), rig.deployment());
  rig.expect_status();
  CHECK(rig.reconcile().kind == Outcome::Kind::kRequeueAfter);
}

TEST_CASE("a Secret that only an old cache calls unwanted is not deleted") {
  Rig rig;  // the cache: no credential is wanted any more
  json shown = classifier_object("{}");
  shown["status"]["pullSecret"]["name"] = "pets-acr-pull";
  rig.cache(shown);
  rig.cache_children();
  const api::ImageClassifier wanting = *api::decode_image_classifier(classifier_object(kBasic).dump());
  World world(kBasic);
  world.basic_secret("first");
  const auto credential = make_plan(world.observed, reconciler::testing::kNow).credential;
  const std::string pull = stored(resources::build_pull_secret(wanting, *credential.docker_config), "7").dump();
  const json source = {{"type", "Opaque"},
                       {"metadata", {{"name", "acr-credentials"}}},
                       {"data", {{"username", "cHVsbGVy"}, {"password", "Zmlyc3Q="}}}};
  rig.server.expect("GET " + kPullSecret, 200, pull);
  rig.expect_live_reads(classifier_object(kBasic), stored(deployment_of(wanting, 1), "11"));
  rig.server.expect("GET " + kSourceSecret, 200, source.dump());
  rig.server.expect("GET " + kPullSecret, 200, pull);
  rig.expect_status();
  CHECK(rig.reconcile().kind == Outcome::Kind::kRequeueAfter);
}

TEST_CASE("an unwanted Secret is deleted only in the version that was read") {
  Rig rig;
  json shown = classifier_object("{}");
  shown["status"]["pullSecret"]["name"] = "pets-acr-pull";
  rig.cache(shown);
  rig.cache_children();
  const api::ImageClassifier wanting = *api::decode_image_classifier(classifier_object(kBasic).dump());
  const std::string pull = stored(resources::build_pull_secret(wanting, Secret("e30=")), "7").dump();
  json live = classifier_object("{}");
  live["status"] = {{"pullSecret", {{"name", "pets-acr-pull"}}}};
  rig.server.expect("GET " + kPullSecret, 200, pull);
  rig.expect_live_reads(live, rig.deployment());
  rig.server.expect("GET " + kPullSecret, 200, pull);
  rig.server.expect("DELETE " + kPullSecret + "*", 200, "{}");
  rig.expect_status();
  CHECK(rig.reconcile().kind == Outcome::Kind::kRequeueAfter);
  const json options = json::parse(rig.server.requests()[7].body);
  CHECK(options["preconditions"] == json({{"uid", "uid-Secret"}, {"resourceVersion", "7"}}));
}

TEST_CASE("pods are not scaled to what only an old cache says") {
  Rig rig(R"({"replicas": 1})");
  Rig newer(R"({"replicas": 0})");
  rig.cache_children();
  rig.deployments.upsert(recorded(*api::decode_deployment(newer.deployment().dump())));
  rig.expect_live_reads(classifier_object(R"({"replicas": 0})"), newer.deployment());
  rig.expect_status();
  CHECK(rig.reconcile().kind == Outcome::Kind::kRequeueAfter);
}

TEST_CASE("children that are missing of a resource that had them are not made before the resource was read") {
  Rig rig;
  json shown = classifier_object("{}");
  shown["status"]["observedGeneration"] = 1;
  rig.cache(shown);
  rig.server.expect("GET " + kClassifier, 404, status_body(404, "NotFound", "gone"));
  CHECK(rig.reconcile().kind == Outcome::Kind::kSuccess);
}

TEST_CASE("pods are not exchanged for those that only an old cache wants") {
  Rig rig(R"({"image": "contoso.azurecr.io/inference-server:old"})");
  Rig newer(R"({"image": "contoso.azurecr.io/inference-server:new"})");
  rig.cache_children();
  rig.deployments.upsert(recorded(*api::decode_deployment(newer.deployment().dump())));
  rig.expect_live_reads(classifier_object(R"({"image": "contoso.azurecr.io/inference-server:new"})"),
                        newer.deployment());
  rig.expect_status();
  CHECK(rig.reconcile().kind == Outcome::Kind::kRequeueAfter);
}

TEST_CASE("a right that is missing for a live read is shown on the resource and nothing is done") {
  Rig rig(R"({"replicas": 1})");
  Rig newer(R"({"replicas": 0})");
  rig.cache_children();
  rig.deployments.upsert(recorded(*api::decode_deployment(newer.deployment().dump())));
  const std::string sentence = "cannot get resource";
  rig.server.expect("GET " + kClassifier, 403, status_body(403, "Forbidden", sentence));
  rig.expect_status();
  CHECK(rig.reconcile().kind == Outcome::Kind::kRetry);
  CHECK_THAT(rig.server.requests().back().body, Catch::Contains("RightMissing"));
  CHECK_THAT(rig.server.requests().back().body, Catch::Contains(sentence));
}

TEST_CASE("a conflict begins anew and is no error") {
  Rig rig;
  rig.cache_children();
  rig.server.expect("PATCH " + kClassifier + "/status*", 409, status_body(409, "Conflict", "changed"));
  CHECK(rig.reconcile().kind == Outcome::Kind::kRequeue);
}

TEST_CASE("a Secret that may not be read is named on the resource, with the server's sentence") {
  Rig rig(kBasic);
  const std::string sentence = "secrets \"acr-credentials\" is forbidden: User \"x\" cannot get resource \"secrets\"";
  rig.server.expect("GET " + kSourceSecret, 403, status_body(403, "Forbidden", sentence));
  rig.expect_status();
  CHECK(rig.reconcile().kind == Outcome::Kind::kRequeueAfter);
  const std::string written = rig.server.requests().back().body;
  CHECK_THAT(written, Catch::Contains("SecretForbidden"));
  CHECK_THAT(written, Catch::Contains("cannot get resource"));
}

TEST_CASE("what was written is told, and what the server refused or has not taken is not") {
  Rig rig;
  rig.network_policies.upsert(recorded(*api::decode_child(rig.network_policy().dump())));
  rig.cache_revision();
  rig.server.expect("POST /apis/apps/v1/namespaces/zoo/deployments*", 201, rig.deployment().dump());
  rig.server.expect("POST " + kSpace + "services*", 422, status_body(422, "Invalid", "no such port"));
  rig.server.expect("PATCH " + kClassifier + "/status*", 503, status_body(503, "ServiceUnavailable", "later"));
  CHECK(rig.reconcile().kind == Outcome::Kind::kRetry);
  REQUIRE(rig.told.size() == 1);
  CHECK(rig.told[0].note == "Created Deployment pets.");
}

TEST_CASE("without the NetworkPolicy, which the API server refuses, neither pods nor an address are made") {
  Rig rig;
  rig.server.expect("POST /apis/networking.k8s.io/v1/namespaces/zoo/networkpolicies*", 422,
                    status_body(422, "Invalid", "no such network"));
  rig.server.expect("POST /apis/apps/v1/namespaces/zoo/controllerrevisions*", 201,
                    stored(revision_of(rig.classifier), "10").dump());
  rig.expect_status();
  CHECK(rig.reconcile().kind == Outcome::Kind::kRequeueAfter);
  CHECK_THAT(rig.server.requests().back().body, Catch::Contains("no such network"));
}

TEST_CASE("who refuses a write decides whether waiting may help") {
  struct Case {
    int code;
    const char* message;
    const char* told;
  };
  for (const auto& [code, message, told] : {
           Case{422, "Service \"pets\" is invalid: spec.ports[0].port: Invalid value", "ServiceInvalid"},
           Case{422, "ValidatingAdmissionPolicy 'x' with binding 'y' denied request: no", "ObjectRefused"},
           Case{403, "exceeded quota: none", "ObjectRefused"},
           Case{500, "Internal error occurred: failed calling webhook \"x\": connection refused", "ObjectRefused"},
       }) {
    INFO(message);
    Rig rig;
    rig.network_policies.upsert(recorded(*api::decode_child(rig.network_policy().dump())));
    rig.deployments.upsert(recorded(*api::decode_deployment(rig.deployment().dump())));
    rig.cache_revision();
    rig.server.expect("POST " + kSpace + "services*", code, status_body(code, "x", message));
    rig.expect_status();
    CHECK(rig.reconcile().kind == Outcome::Kind::kRequeueAfter);
    CHECK_THAT(rig.server.requests().back().body, Catch::Contains(told));
  }
}

TEST_CASE("a namespace that is being deleted refuses once, not once for each child") {
  Rig rig;
  json refusal = json::parse(status_body(403, "Forbidden", "because it is being terminated"));
  refusal["details"]["causes"] = {{{"reason", "NamespaceTerminating"}}};
  rig.server.expect("POST *", 403, refusal.dump());
  rig.expect_status();
  CHECK(rig.reconcile().kind == Outcome::Kind::kRequeueAfter);
  CHECK_THAT(rig.server.requests().back().body,
             Catch::Contains("ObjectRefused") && Catch::Contains("being terminated"));
}

namespace {

/// Somebody has given the Service another port, which an apply leaves beside ours.
json renumber_port(Rig& rig) {
  rig.cache_children();
  json changed = rig.service();
  changed["spec"]["ports"][0]["port"] = 8088;
  rig.services.upsert(recorded(*api::decode_service(changed.dump())));
  rig.server.expect("PATCH " + kService + "*", 422,
                    status_body(422, "Invalid", "spec.ports[1].name: Duplicate value: \"http\""));
  rig.server.expect("GET " + kService, 200, changed.dump());
  return changed;
}

}  // namespace

TEST_CASE("what others have put beside ours is taken away where an apply is refused, and no trace of that stays") {
  Rig rig;
  const json changed = renumber_port(rig);
  rig.server.expect("PATCH " + kService + "*", 200, changed.dump());
  json applied = rig.service();
  applied["metadata"]["managedFields"] = {{{"manager", "imageclassifier-operator"}, {"operation", "Apply"}},
                                          {{"manager", "imageclassifier-operator"}, {"operation", "Update"}}};
  rig.server.expect("PATCH " + kService + "*", 200, applied.dump());
  rig.server.expect("PATCH " + kService + "*", 200, applied.dump());
  rig.expect_status();
  CHECK(rig.reconcile().kind == Outcome::Kind::kRequeueAfter);
  const auto requests = rig.server.requests();
  CHECK(changed.patch(json::parse(requests[2].body))["spec"]["ports"][0]["port"] == 80);
  CHECK(requests[0].body == requests[3].body);
  CHECK(json::parse(requests[4].body).back() == json({{"op", "remove"}, {"path", "/metadata/managedFields/1"}}));
  CHECK(requests[5].body.find("ServiceInvalid") == std::string::npos);
}

TEST_CASE("what is refused with nothing of others beside it is the specification's fault") {
  Rig rig;
  renumber_port(rig);
  rig.server.expect("PATCH " + kService + "*", 422, status_body(422, "Invalid", "still"));
  rig.expect_status();
  CHECK(rig.reconcile().kind == Outcome::Kind::kRequeueAfter);
  CHECK_THAT(rig.server.requests().back().body,
             Catch::Contains("ServiceInvalid") && Catch::Contains("Duplicate value"));
}

TEST_CASE("an object that changes while others' part of it is taken away is looked at anew") {
  Rig rig;
  renumber_port(rig);
  rig.server.expect("PATCH " + kService + "*", 409, status_body(409, "Conflict", "modified"));
  CHECK(rig.reconcile().kind == Outcome::Kind::kRequeue);
}

TEST_CASE("a refusal is tried again soon at first, however long the resource has not been Ready") {
  Rig rig;
  json shown = classifier_object("{}");
  shown["status"]["conditions"] = {
      {{"type", "Ready"}, {"status", "False"}, {"reason", "x"}, {"lastTransitionTime", "1970-01-01T00:00:00Z"}}};
  rig.cache(shown);
  rig.network_policies.upsert(recorded(*api::decode_child(rig.network_policy().dump())));
  rig.deployments.upsert(recorded(*api::decode_deployment(rig.deployment().dump())));
  rig.cache_revision();
  for (const auto wait : {15s, 40s}) {
    rig.server.expect("POST " + kSpace + "services*", 403, status_body(403, "Forbidden", "exceeded quota: none"));
    rig.expect_status();
    CHECK(rig.reconcile().delay == wait);
    rig.seen = "20";
    rig.clock.advance(40s);
  }
}

TEST_CASE("an error of the API server's own is retried, and told once it lasts; the rest is done meanwhile") {
  Rig rig;
  rig.network_policies.upsert(recorded(*api::decode_child(rig.network_policy().dump())));
  rig.cache_revision();
  const std::string why = status_body(500, "InternalError", "etcdserver: request timed out");
  for (int pass = 0; pass < 3; ++pass) {
    rig.server.expect("POST /apis/apps/v1/namespaces/zoo/deployments*", 500, why);
    CHECK(rig.reconcile().kind == Outcome::Kind::kRetry);
    rig.clock.advance(10s);
  }
  CHECK(rig.told.empty());
  rig.server.expect("POST /apis/apps/v1/namespaces/zoo/deployments*", 500, why);
  rig.server.expect("POST " + kSpace + "services*", 201, rig.service().dump());
  rig.expect_status();
  CHECK(rig.reconcile().kind == Outcome::Kind::kRequeueAfter);
  CHECK_THAT(rig.server.requests().back().body, Catch::Contains("etcdserver: request timed out"));
}

TEST_CASE("a change of the status is told once it is written; a pass that changes nothing tells nothing") {
  Rig rig;
  rig.cache_children().expect_status();
  rig.reconcile();
  REQUIRE(rig.told.size() == 1);
  CHECK(rig.told[0].reason == "PodsStarting");
  json shown = classifier_object("{}");
  shown["status"] = json::parse(rig.server.requests().back().body)["status"];
  rig.cache(shown);
  rig.seen = "20";
  rig.reconcile();
  CHECK(rig.told.size() == 1);
  CHECK(rig.server.requests().size() == 1);
}
