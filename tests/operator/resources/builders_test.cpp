#include "operator/resources/builders.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include "operator/resources/drift.hpp"
#include "operator/resources/mounts.hpp"
#include "operator/resources/scale.hpp"

using namespace imageclassifier;
using namespace imageclassifier::resources;
using nlohmann::json;

namespace {

const std::string kGoldens = "tests/operator/resources/golden/";

api::ImageClassifier classifier(const std::string& name, const json& spec) {
  json whole = spec;
  whole["image"] = "contoso.azurecr.io/inference-server:1.0.0";
  const json object = {{"metadata", {{"name", name}, {"namespace", "zoo"}, {"uid", "0b1c2d3e"}}}, {"spec", whole}};
  return *api::decode_image_classifier(object.dump());
}

/// The specifications whose children are kept as goldens.
std::vector<api::ImageClassifier> matrix() {
  return {
      classifier("smallest", json::object()),
      classifier("basic",
                 {{"registry", {{"auth", {{"basic", {{"secretName", "acr-credentials"}}}}}}}, {"replicas", 3}}),
      classifier("existing", {{"registry", {{"auth", {{"existingSecret", {{"name", "mine"}}}}}}},
                              {"service", {{"type", "ClusterIP"}}}}),
      classifier("public", {{"service",
                             {{"scope", "Public"},
                              {"port", 8000},
                              {"sourceRanges", {"203.0.113.0/24"}},
                              {"loadBalancerClass", "example.com/vip"},
                              {"dnsLabel", "contoso-pets"},
                              {"publicIPName", "pets-address"},
                              {"externalTrafficPolicy", "Local"},
                              {"annotations",
                               {{"example.com/note", "mine"},
                                {"service.beta.kubernetes.io/azure-load-balancer-health-probe-protocol", "tcp"}}}}}}),
      classifier("tuned",
                 {{"model",
                   {{"source", {{"image", {{"path", "/models/own.safetensors"}}}}}, {"sha256", std::string(64, 'a')}}},
                  {"serving", {{"topK", 7}, {"maxUploadBytes", "20Mi"}, {"uploadPage", false}}},
                  {"resources", {{"requests", {{"cpu", "500m"}}}, {"limits", {{"cpu", 2}, {"memory", "1Gi"}}}}},
                  {"pod",
                   {{"nodeSelector", {{"disk", "fast"}}},
                    {"tolerations",
                     {{{"key", "gpu"}, {"operator", "Exists"}, {"effect", "NoExecute"}, {"tolerationSeconds", 5}}}},
                    {"priorityClassName", "high"},
                    {"terminationGracePeriodSeconds", 60}}}}),
      classifier("autoscaled",
                 {{"autoscaling", {{"minReplicas", 2}, {"maxReplicas", 6}, {"scaleDownStabilizationSeconds", 60}}},
                  {"availability", {{"spread", "Zone"}}}}),
      classifier("suspended", {{"suspend", true}, {"replicas", 2}, {"availability", {{"minAvailable", "50%"}}}}),
      classifier("guarded", {{"networkPolicy", {{"allowFrom", {{{"ipBlock", {{"cidr", "10.0.0.0/8"}}}}}}}},
                             {"rollout",
                              {{"strategy", "RollingUpdate"},
                               {"maxSurge", "25%"},
                               {"maxUnavailable", 1},
                               {"progressDeadlineSeconds", 120},
                               {"revisionHistoryLimit", 2}}}}),
      classifier("open", {{"networkPolicy", {{"enabled", false}}}, {"rollout", {{"strategy", "Recreate"}}}}),
      classifier("monitored",
                 {{"monitoring", {{"serviceMonitor", "Enabled"}, {"labels", {{"release", "prometheus"}}}}}}),
      classifier("passed-on", {{"availability", {{"spread", "Node"}}},
                               {"pod",
                                {{"affinity", {{"podAntiAffinity", json::object()}}},
                                 {"topologySpreadConstraints",
                                  {{{"maxSkew", 2},
                                    {"topologyKey", "rack"},
                                    {"whenUnsatisfiable", "DoNotSchedule"},
                                    {"labelSelector", json::object()}}}},
                                 {"env", {{{"name", "HTTPS_PROXY"}, {"value", "http://proxy:3128"}}}},
                                 {"serviceAccountName", "classifier"},
                                 {"imagePullSecrets", {{{"name", "another"}}}},
                                 {"runtimeClassName", "gvisor"},
                                 {"labels", {{"team", "zoo"}, {"app.kubernetes.io/name", "stolen"}}},
                                 {"annotations", {{"sidecar.istio.io/inject", "false"}}}}}}),
      classifier("downloaded",
                 {{"model",
                   {{"source",
                     {{"url",
                       {{"url", "https://models.example.com:8443/resnet101.safetensors?v=2"},
                        {"caBundle", {{"configMapKeyRef", {{"name", "authorities"}, {"key", "ca.crt"}}}}}}}}},
                    {"sha256", std::string(64, 'a')},
                    {"architecture", "resnet50"},
                    {"precision", "int8"},
                    {"preprocessing", "imagenet-v1"}}},
                  {"pod", {{"env", {{{"name", "HTTPS_PROXY"}, {"value", "http://proxy:3128"}}}}}}}),
      classifier("from-volume",
                 {{"model",
                   {{"source", {{"persistentVolumeClaim", {{"claimName", "models"}, {"path", "/own.safetensors"}}}}},
                    {"labels", {{"configMapKeyRef", {{"name", "words"}, {"key", "german.txt"}}}}}}}}),
      classifier(
          "protected",
          {{"monitoring", {{"serviceMonitor", "Enabled"}}},
           {"service",
            {{"scope", "Public"}, {"authentication", {{"type", "Basic"}}}, {"tls", {{"secretName", "certificate"}}}}},
           {"selfTest",
            {{"image", {{"configMapKeyRef", {{"name", "reference"}, {"key", "tabby.jpg"}}}}},
             {"expectedLabel", "tabby"},
             {"minimumScore", "0.75"}}}}),
  };
}

/// Compares with the golden file, or writes it with IC_REWRITE_GOLDENS=1.
void check_golden(const Manifest& manifest) {
  const std::string path = kGoldens + manifest.name + "." + to_string(manifest.kind) + ".json";
  const std::string text = json::parse(manifest.body).dump(2) + "\n";
  if (std::getenv("IC_REWRITE_GOLDENS") != nullptr) std::ofstream(path) << text;
  std::ifstream file(path);
  INFO(path);
  CHECK(text == std::string(std::istreambuf_iterator<char>(file), {}));
}

std::string environment_of(const api::ImageClassifier& from) {
  std::string text;
  for (const EnvironmentVariable& variable : server_environment(from.spec)) {
    text += variable.name + "=" + variable.value + variable.resource + ";";
  }
  return text;
}

}  // namespace

TEST_CASE("children are as the golden files say (IC_REWRITE_GOLDENS=1 rewrites them)") {
  for (const api::ImageClassifier& one : matrix()) {
    for (const Manifest& manifest : desired_state(one)) check_golden(manifest);
  }
  check_golden(build_pull_secret(matrix()[1], Secret("e30=")));
  check_golden(build_access_secret(matrix()[1], Secret("cGV0cw=="), Secret("c2VjcmV0")));
}

TEST_CASE("a child that was just built shows no drift from itself and the same body each time") {
  for (const api::ImageClassifier& one : matrix()) {
    const auto first = desired_state(one), again = desired_state(one);
    for (std::size_t i = 0; i < first.size(); ++i) {
      CHECK(first_drift(first[i].body, first[i].body).empty());
      CHECK(first[i].body == again[i].body);
    }
  }
}

TEST_CASE("a revision is named by its pod template, and its data is written as the API server would write it") {
  const json spec = {{"pod", {{"env", {{{"name", "NOTE"}, {"value", "a<b>&\u2028"}}}}}}};
  const api::ImageClassifier pets = classifier("pets", spec);
  const PodRevision revision = pod_revision(pets);
  const Manifest manifest = build_revision(pets, revision, {3, "digest", 2, "{}"});
  CHECK(manifest.name == revision.name);
  CHECK(manifest.body.find("a\\u003cb\\u003e\\u0026\\u2028") != std::string::npos);
  const json object = json::parse(manifest.body);
  CHECK(object["data"]["spec"]["template"] == json::parse(revision.template_json));
  CHECK(object["revision"] == 3);
  const api::Revision read = *api::decode_revision(manifest.body);
  CHECK(read.marks == api::RevisionMarks{3, "digest", 2, "{}"});
  CHECK(json::parse(*api::decode_template(manifest.body)) == json::parse(revision.template_json));
  CHECK(first_metadata_drift(manifest.body, read.owned.text()).empty());
  CHECK(first_metadata_drift(build_revision(pets, revision, {4, "digest", 2, "{}"}).body, read.owned.text())
            .starts_with("metadata.annotations."));
  CHECK(api::decode_template(R"({"metadata": {}, "data": {}})").error().code == ErrorCode::kDataLoss);
}

TEST_CASE(
    "a revision says in its metadata which of our Secrets its pods need, whether they ask for a password, and where "
    "from "
    "they download their model") {
  const auto revision_of = [](const json& spec) {
    const api::ImageClassifier pets = classifier("pets", spec);
    return *api::decode_revision(build_revision(pets, pod_revision(pets), {}).body);
  };
  const api::Revision plain = revision_of(json::object());
  CHECK(plain.secrets.empty());
  CHECK(plain.model_port == 0);
  CHECK(revision_of(json::parse(R"({"model": {"source": {"url": {"url": "https://models.example.com:8443/x"}}}})"))
            .model_port == 8443);
  CHECK_FALSE(plain.guarded);
  const api::Revision open = revision_of(json::parse(R"({"registry": {"auth": {"basic": {"secretName": "acr"}}}})"));
  CHECK(open.secrets == "pets-acr-pull");
  CHECK_FALSE(open.guarded);
  const json access = json::parse(R"({"registry": {"auth": {"basic": {"secretName": "acr"}}},
                                      "service": {"authentication": {"type": "Basic"}}})");
  const api::Revision guarded = revision_of(access);
  CHECK(guarded.secrets == "pets-acr-pull,pets-access");
  CHECK(guarded.guarded);
}

TEST_CASE("a variable that the user sets stands once, with the user's value") {
  const json spec = {{"pod", {{"env", {{{"name", "OMP_WAIT_POLICY"}, {"value", "ACTIVE"}}}}}}};
  const std::string pods = pod_revision(classifier("pets", spec)).template_json;
  CHECK(pods.find("OMP_WAIT_POLICY") == pods.rfind("OMP_WAIT_POLICY"));
  CHECK(pods.find("PASSIVE") == std::string::npos);
}

TEST_CASE("what does not reach the pods makes no other revision; what does is another specification of them") {
  const api::ImageClassifier plain = classifier("pets", json::object());
  for (const json& same : {json{{"replicas", 3}}, json{{"service", {{"port", 8080}}}},
                           json{{"rollout", {{"autoRollback", false}}}}, json{{"serving", {{"topK", 5}}}}}) {
    CHECK(pod_revision(classifier("pets", same)).name == pod_revision(plain).name);
    CHECK(specification_digest(classifier("pets", same)) == specification_digest(plain));
  }
  for (const json& other :
       {json{{"serving", {{"topK", 7}}}}, json{{"pod", {{"labels", {{"a", "b"}}}}}},
        json{{"resources", {{"limits", {{"memory", "3Gi"}}}}}}, json{{"resources", json::object()}}}) {
    CHECK(pod_revision(classifier("pets", other)).name != pod_revision(plain).name);
    CHECK(specification_digest(classifier("pets", other)) != specification_digest(plain));
  }
}

TEST_CASE("threads come from the cpu limit, else from the request, else from the server's own look at its cgroup") {
  CHECK(environment_of(matrix()[4]).find("INFERENCE_THREADS=limits.cpu") != std::string::npos);
  CHECK(environment_of(matrix()[4]).find("OMP_WAIT_POLICY") == std::string::npos);
  CHECK(environment_of(matrix()[0]).find("INFERENCE_THREADS=requests.cpu;OMP_WAIT_POLICY=PASSIVE") !=
        std::string::npos);
  const auto without = classifier("x", {{"resources", {{"limits", {{"memory", "1Gi"}}}}}});
  CHECK(environment_of(without).find("INFERENCE_THREADS") == std::string::npos);
}

TEST_CASE("a dollar sign in a field reaches the server, while the user's own variables may name others") {
  const json own = {{{"name", "NOTE"}, {"value", "$(HOME)"}}};
  const auto one = classifier(
      "x", {{"model",
             {{"source", {{"url", {{"url", "https://u:p$$@example.com:8443/a?key=$(KUBERNETES_SERVICE_HOST)$"}}}}},
              {"sha256", std::string(64, 'a')}}},
            {"selfTest", {{"image", {{"path", "/a/$(HOME)"}}}, {"expectedLabel", "10$"}}},
            {"pod", {{"env", own}}}});
  const json pods = pod_template(one);
  const auto value_of = [](const json& container, const std::string& name) {
    for (const json& each : container["env"]) {
      if (each["name"] == name) return each["value"].get<std::string>();
    }
    return std::string();
  };
  const json& fetch = pods["spec"]["initContainers"][0];
  const json& server = pods["spec"]["containers"][0];
  CHECK(value_of(fetch, "INFERENCE_FETCH_URL") ==
        "https://u:p$$$$@example.com:8443/a?key=$$(KUBERNETES_SERVICE_HOST)$$");
  CHECK(value_of(server, "INFERENCE_SELF_TEST_IMAGE") == "/a/$$(HOME)");
  CHECK(value_of(server, "INFERENCE_SELF_TEST_LABEL") == "10$$");
  CHECK(value_of(server, "NOTE") == "$(HOME)");
  CHECK(model_port(pods) == 8443);
  CHECK(model_port(pods) == model_port(one.spec));
}

TEST_CASE("the port of a model's address is the one that it names, else that of https") {
  const auto port_of = [](const std::string& url) {
    return *model_port(classifier("x", {{"model", {{"source", {{"url", {{"url", url}}}}}}}}).spec);
  };
  CHECK(port_of("https://example.com/a:1/b") == 443);
  CHECK(port_of("https://example.com") == 443);
  CHECK(port_of("https://example.com:8443?x=:9") == 8443);
  CHECK(port_of("https://user:word@[fd00::1]:444/a") == 444);
  CHECK(port_of("https://[fd00::1]/a") == 443);
  CHECK(!model_port(matrix()[0].spec));
}

TEST_CASE("an object without a uid has no owner, one with a uid exactly one") {
  auto one = matrix()[0];
  CHECK(json::parse(build_service(one, one.spec.service).body)["metadata"]["ownerReferences"].size() == 1);
  one.metadata.uid.clear();
  CHECK(!json::parse(build_service(one, one.spec.service).body)["metadata"].contains("ownerReferences"));
}

TEST_CASE("a spread of the user's own stands in for ours over the same topology, of which the API server takes one") {
  const auto spread = [](const std::string& key) {
    const json own = {{{"maxSkew", 2}, {"topologyKey", key}, {"whenUnsatisfiable", "ScheduleAnyway"}}};
    const auto one =
        classifier("x", {{"availability", {{"spread", "Zone"}}}, {"pod", {{"topologySpreadConstraints", own}}}});
    return pod_template(one)["spec"]["topologySpreadConstraints"];
  };
  CHECK(spread("rack").size() == 2);
  REQUIRE(spread("topology.kubernetes.io/zone").size() == 1);
  CHECK(spread("topology.kubernetes.io/zone")[0]["maxSkew"] == 2);
}

TEST_CASE("a disruption budget exists from two replicas on") {
  const auto has_budget = [](const json& spec) {
    return optional_children(classifier("x", spec), {}, {})[2].wanted.has_value();
  };
  CHECK(!has_budget({{"replicas", 1}}));
  CHECK(has_budget({{"replicas", 2}}));
  CHECK(!has_budget({{"autoscaling", {{"minReplicas", 1}, {"maxReplicas", 5}}}}));
  CHECK(has_budget({{"autoscaling", {{"minReplicas", 2}, {"maxReplicas", 5}}}}));
}

TEST_CASE("an autoscaler gets a running Deployment to start from and keeps what it decided") {
  const Scale scale =
      unscheduled_scale(classifier("x", {{"autoscaling", {{"minReplicas", 3}, {"maxReplicas", 5}}}}).spec);
  CHECK(wanted_replicas(scale, std::nullopt) == 3);
  CHECK(wanted_replicas(scale, 0) == 3);
  CHECK(wanted_replicas(scale, 1) == std::nullopt);
  CHECK(wanted_replicas(scale, 5) == std::nullopt);
}

TEST_CASE("what is suspended has no pods and no autoscaler, whatever else is said") {
  const auto suspended =
      classifier("x", {{"suspend", true}, {"autoscaling", {{"minReplicas", 2}, {"maxReplicas", 5}}}});
  const Scale scale = wanted_scale(suspended.spec, {});
  CHECK(wanted_replicas(scale, 4) == 0);
  CHECK(!optional_children(suspended, {}, scale)[1].wanted);
}

TEST_CASE("the uid of an apply stands in the metadata") {
  CHECK(json::parse(with_uid(build_service(matrix()[0], {}), "u-1"))["metadata"]["uid"] == "u-1");
}
