#include "operator/resources/mend.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace imageclassifier::resources;
using nlohmann::json;

namespace {

Manifest manifest(Kind kind, json body) {
  Manifest made;
  made.kind = kind;
  made.body = body.dump();
  return made;
}

/// What the API server would have after the patch.
json mended(const Manifest& wanted, json observed) {
  observed["metadata"]["resourceVersion"] = "7";
  const std::string patch = mending_patch(wanted, observed.dump());
  if (patch.empty()) return observed;
  CHECK(json::parse(patch).back() == json({{"op", "replace"}, {"path", "/metadata/resourceVersion"}, {"value", "7"}}));
  return observed.patch(json::parse(patch));
}

}  // namespace

TEST_CASE("a port that was renumbered by hand goes, and ours keeps its node port") {
  const Manifest wanted = manifest(
      Kind::kService,
      {{"metadata", {{"annotations", {{"hash", "new"}}}}},
       {"spec", {{"loadBalancerSourceRanges", {"10.9.0.0/16"}}, {"ports", {{{"name", "http"}, {"port", 80}}}}}}});
  const json service = mended(
      wanted,
      {{"metadata", {{"annotations", {{"hash", "old"}, {"cloud", "x"}}}}},
       {"spec", {{"clusterIP", "10.0.0.1"}, {"ports", {{{"name", "http"}, {"port", 8088}, {"nodePort", 31000}}}}}}});
  CHECK(service["spec"] == json({{"clusterIP", "10.0.0.1"},
                                 {"loadBalancerSourceRanges", {"10.9.0.0/16"}},
                                 {"ports", {{{"name", "http"}, {"port", 80}, {"nodePort", 31000}}}}}));
  CHECK(service["metadata"]["annotations"] == json({{"hash", "new"}, {"cloud", "x"}}));
}

TEST_CASE("our container is made anew, and containers, volumes and annotations of others stay") {
  const json server = {{"name", "server"},
                       {"env", {{{"name", "A"}, {"value", "1"}}}},
                       {"readinessProbe", {{"httpGet", {{"path", "/readyz"}}}}}};
  const Manifest wanted = manifest(
      Kind::kDeployment,
      {{"spec",
        {{"strategy", {{"type", "Recreate"}}},
         {"template",
          {{"metadata", {{"labels", {{"team", "pets"}}}}},
           {"spec", {{"containers", {server}}, {"volumes", {{{"name", "tmp"}, {"emptyDir", json::object()}}}}}}}}}}});
  json changed = server;
  changed["env"][0] = {{"name", "A"}, {"valueFrom", json::object()}};
  changed["readinessProbe"] = {{"httpGet", {{"path", "/readyz"}}}, {"tcpSocket", {{"port", 1}}}};
  const json sidecar = {{"name", "sidecar"}, {"image", "x"}};
  const json deployment =
      mended(wanted, {{"spec",
                       {{"replicas", 3},
                        {"strategy", {{"type", "Recreate"}, {"rollingUpdate", {{"maxSurge", 1}}}}},
                        {"template",
                         {{"metadata", {{"annotations", {{"restarted", "now"}}}}},
                          {"spec", {{"dnsPolicy", "ClusterFirst"}, {"containers", {sidecar, changed}}}}}}}}});
  CHECK(deployment["spec"]["replicas"] == 3);
  CHECK(deployment["spec"]["strategy"] == json({{"type", "Recreate"}}));
  const json& pods = deployment["spec"]["template"];
  CHECK(pods["metadata"] == json({{"annotations", {{"restarted", "now"}}}, {"labels", {{"team", "pets"}}}}));
  CHECK(pods["spec"]["containers"] == json({sidecar, server}));
  CHECK(pods["spec"]["volumes"][0]["name"] == "tmp");
  CHECK(pods["spec"]["dnsPolicy"] == "ClusterFirst");
}

TEST_CASE("an option has only what the manifest says") {
  const Manifest wanted = manifest(Kind::kPodDisruptionBudget, {{"spec", {{"maxUnavailable", 1}}}});
  CHECK(mended(wanted, {{"spec", {{"minAvailable", 1}}}})["spec"] == json({{"maxUnavailable", 1}}));
}

TEST_CASE("where nothing is foreign there is nothing to mend") {
  const Manifest wanted = manifest(Kind::kPodDisruptionBudget, {{"spec", {{"maxUnavailable", 1}}}});
  CHECK(mending_patch(wanted, wanted.body).empty());
  CHECK(mending_patch(wanted, "nonsense").empty());
  CHECK(mending_patch(manifest(Kind::kSecret, {{"data", json::object()}}), R"({"data": {"a": "b"}})").empty());
}
