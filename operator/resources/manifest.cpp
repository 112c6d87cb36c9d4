#include "operator/resources/manifest.hpp"

#include <nlohmann/json.hpp>

#include "common/sha256.hpp"
#include "operator/api/json_access.hpp"
#include "operator/resources/builders.hpp"

namespace imageclassifier::resources {

const char* to_string(Kind kind) noexcept {
  switch (kind) {
    case Kind::kSecret:
      return "Secret";
    case Kind::kNetworkPolicy:
      return "NetworkPolicy";
    case Kind::kControllerRevision:
      return "ControllerRevision";
    case Kind::kDeployment:
      return "Deployment";
    case Kind::kService:
      return "Service";
    case Kind::kHorizontalPodAutoscaler:
      return "HorizontalPodAutoscaler";
    case Kind::kPodDisruptionBudget:
      return "PodDisruptionBudget";
    case Kind::kServiceMonitor:
      return "ServiceMonitor";
  }
  return "";
}

const char* api_version(Kind kind) noexcept {
  switch (kind) {
    case Kind::kSecret:
    case Kind::kService:
      return "v1";
    case Kind::kNetworkPolicy:
      return "networking.k8s.io/v1";
    case Kind::kControllerRevision:
    case Kind::kDeployment:
      return "apps/v1";
    case Kind::kHorizontalPodAutoscaler:
      return "autoscaling/v2";
    case Kind::kPodDisruptionBudget:
      return "policy/v1";
    case Kind::kServiceMonitor:
      return "monitoring.coreos.com/v1";
  }
  return "";
}

std::string with_uid(const Manifest& manifest, const std::string& uid) {
  nlohmann::json object = api::parse_or_null(manifest.body);
  object["metadata"]["uid"] = uid;
  // The API server reads what is applied as YAML, in which some characters beyond ASCII end a line.
  return object.dump(-1, ' ', true);
}

std::string pull_secret_name(const api::ImageClassifier& classifier) {
  return classifier.metadata.name + "-acr-pull";
}

std::string wanted_pull_secret(const api::ImageClassifier& classifier) {
  if (const auto* existing = std::get_if<api::ExistingSecret>(&classifier.spec.auth)) return existing->name;
  if (api::makes_pull_secret(classifier.spec.auth)) return pull_secret_name(classifier);
  return {};
}

std::string image_to_run(const api::ImageClassifier& classifier) {
  const std::string& named = classifier.spec.image;
  const std::string& pinned = classifier.pinned_image;
  if (!pinned.starts_with(named + "@")) return named;
  const std::size_t slash = named.rfind('/');
  const std::size_t tag = named.find(':', slash == std::string::npos ? 0 : slash);
  return named.substr(0, tag) + pinned.substr(named.size());
}

std::string access_secret_name(const api::ImageClassifier& classifier) {
  return classifier.metadata.name + "-access";
}

bool makes_access_secret(const api::Spec& spec) {
  return spec.service.authentication.basic && spec.service.authentication.secret_name.empty();
}

std::string wanted_access_secret(const api::ImageClassifier& classifier) {
  return makes_access_secret(classifier.spec) ? access_secret_name(classifier)
                                              : classifier.spec.service.authentication.secret_name;
}

std::map<std::string, std::string> selector_labels(const api::ImageClassifier& classifier) {
  return {{"app.kubernetes.io/name", "imageclassifier"}, {kInstanceLabel, classifier.metadata.name}};
}

std::string selector_text(const api::ImageClassifier& classifier) {
  std::string text;
  for (const auto& [key, value] : selector_labels(classifier)) text += (text.empty() ? "" : ",") + key + "=" + value;
  return text;
}

nlohmann::json child_skeleton(const api::ImageClassifier& classifier, Kind kind, const std::string& name) {
  nlohmann::json labels = selector_labels(classifier);
  labels[kManagedByLabel] = kManagedBy;
  nlohmann::json object = {
      {"apiVersion", api_version(kind)}, {"kind", to_string(kind)}, {"metadata", {{"name", name}, {"labels", labels}}}};
  nlohmann::json& metadata = object["metadata"];
  if (!classifier.metadata.namespace_name.empty()) metadata["namespace"] = classifier.metadata.namespace_name;
  if (!classifier.metadata.uid.empty()) {
    metadata["ownerReferences"] = {{{"apiVersion", api::kApiVersion},
                                    {"kind", api::kKind},
                                    {"name", classifier.metadata.name},
                                    {"uid", classifier.metadata.uid},
                                    {"controller", true},
                                    {"blockOwnerDeletion", true}}};
  }
  return object;
}

Manifest finish(Kind kind, nlohmann::json object) {
  Manifest manifest;
  manifest.kind = kind;
  manifest.hash = sha256_hex(object.dump()).substr(0, 16);
  nlohmann::json& metadata = object["metadata"];
  metadata["annotations"][kAppliedHash] = manifest.hash;
  manifest.namespace_name = api::text_of(metadata, "namespace");
  manifest.name = api::text_of(metadata, "name");
  manifest.body = object.dump();
  return manifest;
}

}  // namespace imageclassifier::resources
