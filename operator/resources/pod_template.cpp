#include <algorithm>
#include <nlohmann/json.hpp>

#include "operator/api/json_access.hpp"
#include "operator/resources/builders.hpp"
#include "operator/resources/mounts.hpp"

namespace imageclassifier::resources {
namespace {

constexpr const char* kFetchContainerName = "fetch-model";

/// As the kubelet hands it on unchanged: it expands $(NAME), and takes $$ for $.
std::string escaped(const std::string& value) {
  std::string text;
  for (const char c : value) text.append(c == '$' ? 2 : 1, c);
  return text;
}

/// The operator's, then the user's, whose word counts where both name one, and whose $(NAME) is meant.
nlohmann::json environment(const std::vector<EnvironmentVariable>& variables, const api::Spec& spec) {
  const nlohmann::json own = api::parse_or_null(spec.pod.env_json);
  const auto is_own = [&](const std::string& name) {
    return std::any_of(own.begin(), own.end(), [&](const auto& each) { return api::text_of(each, "name") == name; });
  };
  nlohmann::json list = nlohmann::json::array();
  for (const EnvironmentVariable& variable : variables) {
    if (is_own(variable.name)) continue;
    if (variable.resource.empty()) {
      list.push_back({{"name", variable.name}, {"value", escaped(variable.value)}});
    } else {
      list.push_back({{"name", variable.name},
                      {"valueFrom",
                       {{"resourceFieldRef",
                         {{"containerName", kContainerName}, {"resource", variable.resource}, {"divisor", "1"}}}}}});
    }
  }
  for (const auto& variable : own) list.push_back(variable);
  return list;
}

nlohmann::json http_probe(const api::Spec& spec, const char* path, int period_seconds, int failure_threshold) {
  nlohmann::json get = {{"path", path}, {"port", port_name(spec.service)}};
  if (api::serves_tls(spec.service)) get["scheme"] = "HTTPS";
  return {{"httpGet", std::move(get)},
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

/// What the containers of a pod have in common.
nlohmann::json container(const api::ImageClassifier& classifier, const char* name) {
  return {
      {"name", name},
      {"image", image_to_run(classifier)},
      {"resources", resources_of(classifier.spec.resources)},
      {"terminationMessagePath", "/dev/termination-log"},
      {"terminationMessagePolicy", "File"},
      {"securityContext",
       {{"allowPrivilegeEscalation", false}, {"readOnlyRootFilesystem", true}, {"capabilities", {{"drop", {"ALL"}}}}}}};
}

nlohmann::json server_container(const api::ImageClassifier& classifier) {
  const api::Spec& spec = classifier.spec;
  nlohmann::json object = container(classifier, kContainerName);
  object["ports"] = {{{"name", port_name(spec.service)}, {"containerPort", kContainerPort}, {"protocol", "TCP"}}};
  object["env"] = environment(server_environment(spec), spec);
  // Loading and warming up may take minutes on a busy node; a server that can never become ready ends by itself.
  object["startupProbe"] = http_probe(spec, "/readyz", 2, 300);
  object["readinessProbe"] = http_probe(spec, "/readyz", 5, 3);
  object["livenessProbe"] = http_probe(spec, "/healthz", 10, 6);
  object["volumeMounts"] = {{{"name", "tmp"}, {"mountPath", "/tmp"}}};
  for (const Mount& mount : mounts(classifier)) {
    if (!mount.server) continue;
    object["volumeMounts"].push_back({{"name", mount.volume}, {"mountPath", mount.folder}, {"readOnly", true}});
  }
  return object;
}

/// Downloads the model before the server starts, with the server's own program and by way of the user's proxy.
nlohmann::json fetch_container(const api::ImageClassifier& classifier) {
  const api::Spec& spec = classifier.spec;
  nlohmann::json object = container(classifier, kFetchContainerName);
  object["args"] = {"fetch-model"};
  object["env"] = environment(fetch_environment(spec), spec);
  object["volumeMounts"] = nlohmann::json::array();
  for (const Mount& mount : mounts(classifier)) {
    if (mount.fetch) object["volumeMounts"].push_back({{"name", mount.volume}, {"mountPath", mount.folder}});
  }
  return object;
}

nlohmann::json volumes(const api::ImageClassifier& classifier) {
  nlohmann::json list = {{{"name", "tmp"}, {"emptyDir", nlohmann::json::object()}}};
  for (const Mount& mount : mounts(classifier)) {
    nlohmann::json volume = api::parse_or_null(mount.source_json);
    volume["name"] = mount.volume;
    list.push_back(std::move(volume));
  }
  return list;
}

void put_json(nlohmann::json& object, const char* key, const std::string& json) {
  if (!json.empty()) object[key] = api::parse_or_null(json);
}

void put_text(nlohmann::json& object, const char* key, const std::string& text) {
  if (!text.empty()) object[key] = text;
}

/// Ours, by spec.availability.spread, then the user's. Of two alike the API server takes none: the user's is more
/// exact.
nlohmann::json spread_constraints(const api::ImageClassifier& classifier) {
  nlohmann::json list = nlohmann::json::array();
  const std::string& spread = classifier.spec.availability.spread;
  const std::string key = spread == "Zone" ? "topology.kubernetes.io/zone" : "kubernetes.io/hostname";
  const nlohmann::json own = api::parse_or_null(classifier.spec.pod.topology_spread_constraints_json);
  const bool said = std::any_of(own.begin(), own.end(), [&](const nlohmann::json& constraint) {
    return api::text_of(constraint, "topologyKey") == key &&
           api::text_of(constraint, "whenUnsatisfiable") == "ScheduleAnyway";
  });
  if (spread != "None" && !said) {
    // Pods of the revision that goes do not count, else a rollout ends lopsided.
    list.push_back({{"maxSkew", 1},
                    {"topologyKey", key},
                    {"whenUnsatisfiable", "ScheduleAnyway"},
                    {"labelSelector", {{"matchLabels", selector_labels(classifier)}}},
                    {"matchLabelKeys", {"pod-template-hash"}}});
  }
  for (const auto& constraint : own) list.push_back(constraint);
  return list;
}

nlohmann::json pull_secrets(const api::ImageClassifier& classifier) {
  nlohmann::json list = nlohmann::json::array();
  const std::string wanted = wanted_pull_secret(classifier);
  if (!wanted.empty()) list.push_back({{"name", wanted}});
  for (const std::string& name : classifier.spec.pod.image_pull_secrets) {
    if (name != wanted) list.push_back({{"name", name}});
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
      {"containers", nlohmann::json::array({server_container(classifier)})},
      {"volumes", volumes(classifier)},
  };
  if (model_port(spec)) pod["initContainers"] = nlohmann::json::array({fetch_container(classifier)});
  if (nlohmann::json secrets = pull_secrets(classifier); !secrets.empty()) pod["imagePullSecrets"] = std::move(secrets);
  if (!spec.pod.node_selector.empty()) pod["nodeSelector"] = spec.pod.node_selector;
  put_json(pod, "tolerations", spec.pod.tolerations_json);
  put_json(pod, "affinity", spec.pod.affinity_json);
  if (nlohmann::json spread = spread_constraints(classifier); !spread.empty()) {
    pod["topologySpreadConstraints"] = std::move(spread);
  }
  // Said also where it is the default: the API server keeps an older name in the field's deprecated twin, from which it
  // would come back when ours is left out.
  pod["serviceAccountName"] = spec.pod.service_account_name.empty() ? "default" : spec.pod.service_account_name;
  put_text(pod, "priorityClassName", spec.pod.priority_class_name);
  put_text(pod, "runtimeClassName", spec.pod.runtime_class_name);
  return pod;
}

}  // namespace

nlohmann::json pod_template(const api::ImageClassifier& classifier) {
  nlohmann::json labels = selector_labels(classifier);
  labels[kManagedByLabel] = kManagedBy;
  // Ours win: the schema refuses the keys of the selector, and the watches ask for the other.
  for (const auto& [key, value] : classifier.spec.pod.labels) labels.emplace(key, value);
  nlohmann::json metadata = {{"labels", std::move(labels)}};
  if (!classifier.spec.pod.annotations.empty()) metadata["annotations"] = classifier.spec.pod.annotations;
  return {{"metadata", std::move(metadata)}, {"spec", pod_spec(classifier)}};
}

}  // namespace imageclassifier::resources
