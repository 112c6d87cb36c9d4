#include "operator/resources/drift.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "operator/resources/manifest.hpp"

using namespace imageclassifier::resources;
using nlohmann::json;

namespace {

const json kWanted = json::parse(R"({
  "metadata": {"labels": {"a": "1"}, "annotations": {"hash": "x"}, "ownerReferences": [{"name": "o", "uid": "u"}]},
  "spec": {"replicas": 2, "volumes": [{"name": "tmp", "emptyDir": {}}],
           "containers": [{"name": "server", "env": [{"name": "A", "value": "1"}],
                           "resources": {"limits": {"cpu": "0.5", "memory": "1Gi"}}}],
           "ranges": ["10.0.0.0/8"]}})");

std::string drift(const json& change) {
  json observed = kWanted;
  observed.merge_patch(change);
  return first_drift(kWanted.dump(), observed.dump());
}

}  // namespace

TEST_CASE("what others add is no drift") {
  CHECK(drift(json::object()).empty());
  CHECK(drift(json::parse(R"({"metadata": {"labels": {"b": "2"}, "finalizers": ["x"]}, "spec": {"paused": false}})"))
            .empty());
  json observed = kWanted;
  observed["spec"]["containers"].push_back({{"name", "sidecar"}});
  observed["spec"]["containers"][0]["env"].push_back({{"name", "B"}});
  observed["spec"]["volumes"][0]["emptyDir"]["medium"] = "";
  CHECK(first_drift(kWanted.dump(), observed.dump()).empty());
}

TEST_CASE("quantities are compared by value") {
  json observed = kWanted;
  observed["spec"]["containers"][0]["resources"]["limits"] = {{"cpu", "500m"}, {"memory", "1024Mi"}};
  CHECK(first_drift(kWanted.dump(), observed.dump()).empty());
  observed["spec"]["containers"][0]["resources"]["limits"]["cpu"] = "501m";
  CHECK(first_drift(kWanted.dump(), observed.dump()) == "spec.containers[server].resources.limits.cpu");
}

TEST_CASE("the path of what differs is named") {
  CHECK(drift(json::parse(R"({"spec": {"replicas": 3}})")) == "spec.replicas");
  CHECK(drift(json::parse(R"({"spec": {"replicas": null}})")) == "spec.replicas");
  CHECK(drift(json::parse(R"({"metadata": {"labels": {"a": null}}})")) == "metadata.labels.a");
  CHECK(drift(json::parse(R"({"metadata": {"annotations": null}})")) == "metadata.annotations.hash");
  CHECK(drift(json::parse(R"({"spec": {"containers": []}})")) == "spec.containers[server]");
  CHECK(drift(json::parse(R"({"spec": {"ranges": ["10.0.0.0/8", "10.1.0.0/16"]}})")) == "spec.ranges");
  CHECK(drift(json::parse(R"({"spec": {"volumes": [{"name": "tmp", "hostPath": {}}]}})")) ==
        "spec.volumes[tmp].emptyDir");
  CHECK(drift(json::parse(R"({"metadata": {"ownerReferences": []}})")) == "metadata.ownerReferences[o]");
}

TEST_CASE("the hash of the manifest is named only where nothing else differs, and people are told what that means") {
  json wanted = kWanted;
  wanted["metadata"]["annotations"] = {{kAppliedHash, "new"}, {"scope", "Public"}};
  json observed = wanted;
  observed["metadata"]["annotations"] = {{kAppliedHash, "old"}, {"scope", "Internal"}};
  CHECK(first_drift(wanted.dump(), observed.dump()) == "metadata.annotations.scope");
  CHECK(in_words("metadata.annotations.scope") == "metadata.annotations.scope differs");
  wanted["metadata"]["annotations"].erase("scope");
  const std::string hash = first_drift(wanted.dump(), observed.dump());
  CHECK(hash == std::string("metadata.annotations.") + kAppliedHash);
  CHECK(in_words(hash) == "it holds what is no longer wanted");
  observed["metadata"].erase("annotations");
  CHECK(first_metadata_drift(wanted.dump(), observed.dump()) == hash);
}

TEST_CASE("an observation that is no object differs in everything") {
  CHECK(first_drift(kWanted.dump(), "nonsense") != "");
}
