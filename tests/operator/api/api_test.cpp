#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "operator/api/image_classifier.hpp"
#include "operator/api/quantity.hpp"
#include "operator/api/service.hpp"
#include "operator/api/time.hpp"
#include "operator/api/workload.hpp"

using namespace imageclassifier;
using namespace imageclassifier::api;
using nlohmann::json;

TEST_CASE("quantities have the value that the API server gives them") {
  CHECK(parse_quantity("250m") == Approx(0.25));
  CHECK(parse_quantity("2") == 2.0);
  CHECK(parse_quantity("10Mi") == 10485760.0);
  CHECK(parse_quantity("1.5Gi") == 1610612736.0);
  CHECK(parse_quantity("1e3") == 1000.0);
  CHECK(parse_quantity("2E") == 2e18);
  for (const char* bad : {"", "Mi", "10MiB", "1x", "--1", "1.2.3", "e3", "."}) {
    INFO(bad);
    CHECK(!parse_quantity(bad));
  }
}

TEST_CASE("times of the API server are read, others are not") {
  CHECK(format_rfc3339(*parse_rfc3339("2026-02-28T23:59:59Z")) == "2026-02-28T23:59:59Z");
  CHECK(parse_rfc3339("2026-02-28T23:59:59.123456Z"));
  // "Never", and what a fuzzer found: no overflow, still far away.
  CHECK(*parse_rfc3339("9999-12-31T23:59:59Z") > *parse_rfc3339("2250-01-01T00:00:00Z"));
  CHECK(*parse_rfc3339("0001-01-01T00:00:00Z") < *parse_rfc3339("1690-01-01T00:00:00Z"));
  for (const char* bad :
       {"", "2026-02-30T00:00:00Z", "2026-02-28 23:59:59Z", "2026-02-28T23:59:59+01:00", "2026-02-28T24:00:00Z"}) {
    INFO(bad);
    CHECK(!parse_rfc3339(bad));
  }
}

TEST_CASE("the smallest resource has the schema's defaults") {
  const auto classifier = decode_image_classifier(R"({"metadata": {"name": "pets"}, "spec": {"image": "x/y"}})");
  REQUIRE(classifier);
  CHECK(classifier->spec.replicas == 1);
  CHECK(classifier->spec.serving.max_upload_bytes == 10485760);
  CHECK(classifier->spec.service.type == "LoadBalancer");
  CHECK(api::port_of(classifier->spec.service) == 80);
  CHECK(classifier->spec.resources.requests.at("cpu") == "1");
  CHECK(std::holds_alternative<NodeIdentity>(classifier->spec.auth));
  CHECK(classifier->status.observed_generation == -1);
}

TEST_CASE("given resources are not mixed with the defaults") {
  const auto classifier = decode_image_classifier(
      R"({"metadata": {"name": "p"}, "spec": {"image": "x", "resources": {"limits": {"cpu": 2}}}})");
  REQUIRE(classifier);
  CHECK(classifier->spec.resources.requests.empty());
  CHECK(classifier->spec.resources.limits == std::map<std::string, std::string>{{"cpu", "2"}});
}

TEST_CASE("members of a wrong type read as their default and nothing throws") {
  const auto classifier = decode_image_classifier(
      R"({"metadata": {"name": "p", "labels": 3, "ownerReferences": "x", "managedFields": [1, null]},
          "spec": {"image": "x", "replicas": "two", "serving": [], "service": {"port": null}, "registry": 5,
                   "pod": {"tolerations": {"a": 1}}, "resources": {"limits": [1]}},
          "status": {"conditions": {"a": 1}, "endpoint": 7, "replicas": 1.5}})");
  REQUIRE(classifier);
  CHECK(classifier->spec.replicas == 1);
  CHECK(api::port_of(classifier->spec.service) == 80);
  CHECK(!decode_image_classifier("[]"));
  CHECK(!decode_image_classifier("{"));
  CHECK(!decode_image_classifier(R"({"metadata": {"name": "p"}, "spec": {}})"));
  CHECK(decode_pod(R"({"status": {"containerStatuses": [null, {"state": 1}], "conditions": [3]}, "spec": 1})"));
  CHECK(decode_service(R"({"status": {"loadBalancer": {"ingress": [null, {"ip": 1}]}}})"));
  CHECK(decode_deployment(R"({"metadata": 3, "spec": [], "status": null})"));
  CHECK(!decode_deployment("null"));
}

TEST_CASE("a status survives being written and read") {
  Status status;
  status.observed_generation = 3;
  status.endpoint = Endpoint{"http://10.0.0.1/", "10.0.0.1", "Internal", "LoadBalancer"};
  status.model = ModelStatus{"resnet101", "ab", "float32"};
  status.pull_secret = {"pets-acr-pull", "2026-01-31T09:15:00Z", "2026-01-31T08:35:00Z"};
  status.last_failure = Failure{"OOMKilled", "m", "r", "Pod", "pets-1", "server", 137, "2026-01-01T00:00:00Z"};
  status.conditions.push_back({"Ready", "True", 3, "2026-01-01T00:00:00Z", "Ready", "m"});
  CHECK(parse_status(to_json(status)) == status);
  CHECK(parse_status(to_json(Status())) == Status());
}

TEST_CASE("what a POST of ours leaves in managedFields is seen, what belongs to others is not") {
  const auto flagged = [](const char* entry) {
    return decode_object_meta(std::string(R"({"managedFields":[)") + entry + "]}").created_by_update;
  };
  CHECK(flagged(R"({"manager": "imageclassifier-operator", "operation": "Update"})"));
  CHECK(!flagged(R"({"manager": "imageclassifier-operator", "operation": "Apply"})"));
  CHECK(!flagged(R"({"manager": "imageclassifier-operator", "operation": "Update", "subresource": "status"})"));
  CHECK(!flagged(R"({"manager": "kubectl", "operation": "Update"})"));
}

TEST_CASE("only the controlling owner counts as owner") {
  CHECK(decode_object_meta(R"({"ownerReferences": [{"uid": "a"}, {"uid": "b", "controller": true}]})").owner_uid ==
        "b");
}

TEST_CASE("an image's digest is the one that it was pulled by, not that of its configuration") {
  const auto digest_of = [](const std::string& image_id) {
    return decode_pod(R"({"status": {"containerStatuses": [{"imageID": ")" + image_id + R"("}]}})")
        ->containers.at(0)
        .image_digest;
  };
  CHECK(digest_of("contoso.azurecr.io/inference-server@sha256:0a1b") == "sha256:0a1b");
  CHECK(digest_of("docker-pullable://contoso.azurecr.io/inference-server@sha256:0a1b") == "sha256:0a1b");
  CHECK(digest_of("sha256:0a1b").empty());
  CHECK(digest_of("").empty());
}
