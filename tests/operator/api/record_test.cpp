#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <string>

#include "operator/api/image_classifier.hpp"
#include "operator/api/packed_text.hpp"
#include "operator/api/service.hpp"
#include "operator/api/workload.hpp"

using namespace imageclassifier::api;
using nlohmann::json;

TEST_CASE("packed text comes back as it was, whatever it is") {
  std::string noise;
  for (unsigned i = 0; i < 5000; ++i) noise += static_cast<char>((i * 2654435761U) >> 13);
  for (const std::string& text : {std::string(), std::string("x"), std::string("a\0b", 3), noise,
                                  std::string(100000, 'a'), std::string("{\"spec\":{\"replicas\":1}}")}) {
    CHECK(PackedText(text).text() == text);
    CHECK(PackedText(text).packed_size() <= text.size() + 1);
  }
}

TEST_CASE("a resource comes back from its record with specification and status") {
  const char* text = R"({"metadata": {"name": "pets", "namespace": "zoo", "uid": "u", "generation": 3,
                                      "managedFields": [{"manager": "kubectl"}]},
                         "spec": {"image": "example.azurecr.io/x:1", "replicas": 4},
                         "status": {"readyReplicas": 2, "conditions": [{"type": "Ready", "status": "True"}]}})";
  const auto whole = decode_image_classifier(text);
  const auto record = decode_classifier_record(text);
  REQUIRE(record);
  const auto again = unpack(*record);
  REQUIRE(again);
  CHECK(again->metadata == whole->metadata);
  CHECK(again->spec.replicas == 4);
  CHECK(again->status == whole->status);
}

TEST_CASE("a record refuses what the resource's decoder refuses") {
  CHECK_FALSE(decode_classifier_record("[]"));
  CHECK_FALSE(decode_classifier_record("{"));
  CHECK_FALSE(decode_classifier_record(R"({"metadata": {"name": "p"}, "spec": {}})"));
  CHECK_FALSE(decode_classifier_record("{\"metadata\":{\"name\":\"\xff\"},\"spec\":{\"image\":\"x\"}}"));
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

TEST_CASE("an event is owned by what it speaks of") {
  CHECK(decode_event(R"({"involvedObject": {"uid": "u"}})")->metadata.owner_uid == "u");
}
