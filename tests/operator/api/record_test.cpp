#include <catch2/catch.hpp>
#include <limits>
#include <string>

#include "operator/api/image_classifier.hpp"
#include "operator/api/packed_text.hpp"
#include "operator/api/record.hpp"
#include "operator/api/service.hpp"
#include "operator/api/workload.hpp"

using namespace imageclassifier::api;

TEST_CASE("packed text comes back as it was, whatever it is") {
  std::string noise;
  for (unsigned i = 0; i < 5000; ++i) noise += static_cast<char>((i * 2654435761U) >> 13);
  for (const std::string& text : {std::string(), std::string("x"), std::string("a\0b", 3), noise,
                                  std::string(100000, 'a'), std::string("{\"spec\":{\"replicas\":1}}")}) {
    CHECK(PackedText(text).text() == text);
    CHECK(PackedText(text).packed().size() <= text.size() + 1);
  }
}

TEST_CASE("a resource comes back from its record with specification and status") {
  const char* text = R"({"metadata": {"name": "pets", "namespace": "zoo", "uid": "u", "generation": 3,
                                      "managedFields": [{"manager": "kubectl"}]},
                         "spec": {"image": "example.azurecr.io/x:1", "replicas": 4},
                         "status": {"readyReplicas": 2, "conditions": [{"type": "Ready", "status": "True"}]}})";
  const auto whole = decode_image_classifier(text);
  const auto record = decode_packed_classifier(text);
  REQUIRE(record);
  const auto again = unpack(*record);
  REQUIRE(again);
  CHECK(again->metadata == whole->metadata);
  CHECK(again->spec.replicas == 4);
  CHECK(again->status == whole->status);
}

TEST_CASE("a record refuses what the resource's decoder refuses") {
  CHECK_FALSE(decode_packed_classifier("[]"));
  CHECK_FALSE(decode_packed_classifier("{"));
  CHECK_FALSE(decode_packed_classifier(R"({"metadata": {"name": "p"}, "spec": {}})"));
  CHECK_FALSE(decode_packed_classifier("{\"metadata\":{\"name\":\"\xff\"},\"spec\":{\"image\":\"x\"}}"));
}

TEST_CASE("of a pod's conditions only those that are read are kept, without words when true") {
  const Pod pod = *decode_pod(R"({"status": {"conditions": [
      {"type": "Initialized", "status": "True"}, {"type": "Ready", "status": "True", "message": "long"},
      {"type": "PodScheduled", "status": "False", "message": "why", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}})");
  REQUIRE(pod.conditions.size() == 2);
  CHECK(is_ready(pod));
  CHECK(find_condition(pod.conditions, "Ready")->message.empty());
  CHECK(find_condition(pod.conditions, "PodScheduled")->message == "why");
  CHECK(find_condition(pod.conditions, "PodScheduled")->last_transition_time.empty());
}

TEST_CASE("a pod has lost its readiness if it became unready after its containers had started") {
  const auto pod = [](const std::string& ready, const std::string& since, const std::string& state) {
    const Pod decoded = *decode_pod(R"({"status": {"conditions": [{"type": "Ready", "status": ")" + ready +
                                    R"(", "lastTransitionTime": "2026-01-01T00:00:)" + since +
                                    R"(Z"}], "containerStatuses": [{"name": "server", "state": {)" + state + "}}]}}");
    CHECK(Record<Pod>(decoded).object().lost_readiness == decoded.lost_readiness);
    return decoded.lost_readiness;
  };
  const std::string started = R"("running": {"startedAt": "2026-01-01T00:00:10Z"})";
  CHECK(pod("False", "11", started));
  CHECK_FALSE(pod("False", "10", started));
  CHECK_FALSE(pod("False", "05", started));
  CHECK_FALSE(pod("True", "11", started));
  CHECK_FALSE(pod("False", "11", R"("waiting": {"reason": "CrashLoopBackOff"})"));
}

TEST_CASE("the age is kept of pods that have ended only") {
  const auto made = [](const std::string& phase) {
    return decode_pod(R"({"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}, "status": {"phase": ")" + phase +
                      "\"}}")
        ->metadata.creation_timestamp;
  };
  CHECK(made("Failed") == "2026-01-01T00:00:00Z");
  CHECK(made("Running").empty());
}

TEST_CASE("an event is owned by what it speaks of") {
  CHECK(decode_event(R"({"involvedObject": {"uid": "u"}})")->metadata.owner_uid == "u");
}

TEST_CASE("an object comes back from its record as it was, and its identity without reading the rest") {
  Pod pod = *decode_pod(R"({"metadata": {"name": "pets-1", "namespace": "zoo", "uid": "u", "resourceVersion": "7",
      "generation": -3, "deletionTimestamp": "2026-01-01T00:00:00Z", "labels": {"app.kubernetes.io/instance": "pets"},
      "ownerReferences": [{"uid": "owner", "controller": true}]},
      "spec": {"nodeName": "n", "containers": [{"name": "server", "resources": {"limits": {"memory": "2Gi"}}}]},
      "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "False", "reason": "r"}],
      "containerStatuses": [{"name": "server", "started": false, "restartCount": 300,
                             "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}}]}})");
  pod.message = std::string(1000, 'm');
  const Record<Pod> record(pod);
  const imageclassifier::ObjectIdentity identity = record.identity();
  CHECK(identity.namespace_name == "zoo");
  CHECK(identity.name == "pets-1");
  CHECK(identity.uid == "u");
  CHECK(identity.resource_version == "7");
  CHECK(identity.owner_uid == "owner");
  const Pod again = record.object();
  CHECK(again.metadata == pod.metadata);
  CHECK(record.metadata() == pod.metadata);
  CHECK(again.metadata.generation == -3);
  CHECK(again.metadata.deleting);
  CHECK(again.phase == "Running");
  CHECK(again.message == pod.message);
  CHECK(again.node_name == "n");
  CHECK(again.conditions == pod.conditions);
  REQUIRE(again.containers.size() == 1);
  const ContainerStatus& server = again.containers[0];
  CHECK(server.memory_limit == "2Gi");
  CHECK(server.restart_count == 300);
  CHECK(server.started == false);
  CHECK(server.exit_code == 137);
  CHECK(server.terminated_reason == "OOMKilled");
  CHECK_FALSE(server.running);
}

TEST_CASE("what is compared with our intent comes back from a record") {
  const auto deployment = decode_deployment(R"({"metadata": {"name": "d", "labels": {"a": "b"}, "managedFields": []},
      "spec": {"replicas": 3, "paused": true}, "status": {"readyReplicas": 2, "observedGeneration": 9223372036854775807}})");
  REQUIRE(deployment);
  const Deployment again = Record<Deployment>(*deployment).object();
  CHECK(again.owned.text() == R"({"metadata":{"labels":{"a": "b"}},"spec":{"replicas": 3, "paused": true}})");
  CHECK(again.replicas == 3);
  CHECK(again.paused);
  CHECK(again.ready_replicas == 2);
  CHECK(again.observed_generation == std::numeric_limits<std::int64_t>::max());
}

TEST_CASE("an object whose metadata, spec or status is broken is refused, not half read") {
  CHECK_FALSE(decode_pod(R"({"metadata": {"name": "a" "uid": "u"}})"));
  CHECK_FALSE(decode_deployment(R"({"metadata": {"name": "a"}, "spec": {"replicas": 1,}})"));
  CHECK_FALSE(decode_replica_set(R"({"metadata": {"name": "a"}, "status": {"conditions" []}})"));
}
