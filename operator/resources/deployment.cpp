#include <nlohmann/json.hpp>

#include "operator/resources/builders.hpp"

namespace imageclassifier::resources {
namespace {

nlohmann::json environment(const api::Spec& spec) {
  nlohmann::json list = nlohmann::json::array();
  for (const EnvironmentVariable& variable : server_environment(spec)) {
    if (variable.resource.empty()) {
      list.push_back({{"name", variable.name}, {"value", variable.value}});
    } else {
      list.push_back({{"name", variable.name},
                      {"valueFrom",
                       {{"resourceFieldRef",
                         {{"containerName", kContainerName}, {"resource", variable.resource}, {"divisor", "1"}}}}}});
    }
  }
  return list;
}

nlohmann::json http_probe(const char* path, int period_seconds, int failure_threshold) {
  return {{"httpGet", {{"path", path}, {"port", "http"}}},
          {"periodSeconds", period_seconds},
          {"timeoutSeconds", 5},
          {"failureThreshold", failure_threshold}};
}

nlohmann::json resources_of(const api::ResourceRequirements& requirements) {
  nlohmann::json object = nlohmann::json::object();
  if (!requirements.requests.empty()) object["requests"] = requirements.requests;
  if (!requirements.limits.empty()) object["limits"] = requirements.limits;
  return object;
}

nlohmann::json container(const api::Spec& spec) {
  return {
      {"name", kContainerName},
      {"image", spec.image},
      {"ports", {{{"name", "http"}, {"containerPort", kContainerPort}, {"protocol", "TCP"}}}},
      {"env", environment(spec)},
      {"resources", resources_of(spec.resources)},
      // Loading and warming up may take minutes on a busy node; a server that can never become ready ends by itself.
      {"startupProbe", http_probe("/readyz", 2, 300)},
      {"readinessProbe", http_probe("/readyz", 5, 3)},
      {"livenessProbe", http_probe("/healthz", 10, 6)},
      {"terminationMessagePath", "/dev/termination-log"},
      {"terminationMessagePolicy", "File"},
      {"securityContext",
       {{"allowPrivilegeEscalation", false}, {"readOnlyRootFilesystem", true}, {"capabilities", {{"drop", {"ALL"}}}}}},
      {"volumeMounts", {{{"name", "tmp"}, {"mountPath", "/tmp"}}}}};
}

nlohmann::json tolerations_of(const std::vector<api::Toleration>& tolerations) {
  nlohmann::json list = nlohmann::json::array();
  for (const api::Toleration& toleration : tolerations) {
    nlohmann::json entry = nlohmann::json::object();
    if (!toleration.key.empty()) entry["key"] = toleration.key;
    if (!toleration.operator_name.empty()) entry["operator"] = toleration.operator_name;
    if (!toleration.value.empty()) entry["value"] = toleration.value;
    if (!toleration.effect.empty()) entry["effect"] = toleration.effect;
    if (toleration.toleration_seconds) entry["tolerationSeconds"] = *toleration.toleration_seconds;
    list.push_back(std::move(entry));
  }
  return list;
}

nlohmann::json pod_spec(const api::ImageClassifier& classifier) {
  const api::Spec& spec = classifier.spec;
  nlohmann::json pod = {
      {"automountServiceAccountToken", false},
      {"enableServiceLinks", false},
      {"terminationGracePeriodSeconds", spec.pod.termination_grace_period_seconds},
      {"securityContext", {{"runAsNonRoot", true}, {"seccompProfile", {{"type", "RuntimeDefault"}}}}},
      {"containers", nlohmann::json::array({container(spec)})},
      {"volumes", {{{"name", "tmp"}, {"emptyDir", nlohmann::json::object()}}}},
  };
  if (const std::string secret = wanted_pull_secret(classifier); !secret.empty()) {
    pod["imagePullSecrets"] = nlohmann::json::array({{{"name", secret}}});
  }
  if (!spec.pod.node_selector.empty()) pod["nodeSelector"] = spec.pod.node_selector;
  if (!spec.pod.tolerations.empty()) pod["tolerations"] = tolerations_of(spec.pod.tolerations);
  if (!spec.pod.priority_class_name.empty()) pod["priorityClassName"] = spec.pod.priority_class_name;
  return pod;
}

}  // namespace

Manifest build_deployment(const api::ImageClassifier& classifier) {
  nlohmann::json object = child_skeleton(classifier, "apps/v1", Kind::kDeployment, classifier.metadata.name);
  const nlohmann::json labels = object["metadata"]["labels"];
  object["spec"] = {
      {"replicas", classifier.spec.replicas},
      {"selector", {{"matchLabels", selector_labels(classifier)}}},
      {"strategy", {{"type", "RollingUpdate"}, {"rollingUpdate", {{"maxSurge", 1}, {"maxUnavailable", 0}}}}},
      {"progressDeadlineSeconds", 300},
      {"revisionHistoryLimit", 5},
      {"template", {{"metadata", {{"labels", labels}}}, {"spec", pod_spec(classifier)}}}};
  return finish(Kind::kDeployment, std::move(object));
}

}  // namespace imageclassifier::resources
