#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "common/secret.hpp"
#include "operator/api/image_classifier.hpp"
#include "operator/resources/manifest.hpp"

namespace imageclassifier::resources {

// Pure builders of the child objects. Without a uid (a resource that never was in a cluster) the objects carry no owner
// reference.

inline constexpr const char* kManagedByLabel = "app.kubernetes.io/managed-by";
inline constexpr const char* kManagedBy = "imageclassifier-operator";
inline constexpr const char* kInstanceLabel = "app.kubernetes.io/instance";
inline constexpr const char* kContainerName = "server";
inline constexpr int kContainerPort = 8080;

/// Name of the Secret that we make for the pull: "<name>-acr-pull".
std::string pull_secret_name(const api::ImageClassifier& classifier);
/// The Secret that the pods name in imagePullSecrets: ours, the user's, or none (empty).
std::string wanted_pull_secret(const api::ImageClassifier& classifier);
/// "app.kubernetes.io/instance=x,app.kubernetes.io/name=imageclassifier": immutable in a Deployment.
std::map<std::string, std::string> selector_labels(const api::ImageClassifier& classifier);
std::string selector_text(const api::ImageClassifier& classifier);

/// A Secret of type kubernetes.io/dockerconfigjson; `docker_config` is its content in base64. The body holds the
/// credential: never log it.
Manifest build_pull_secret(const api::ImageClassifier& classifier, const Secret& docker_config);
Manifest build_deployment(const api::ImageClassifier& classifier);
Manifest build_service(const api::ImageClassifier& classifier);

/// A member of the pod's environment as the Deployment spells it: `value`, or `resource` by the downward API.
struct EnvironmentVariable {
  std::string name;
  std::string value;
  std::string resource;
};
/// The contract with the inference server: which field of the specification becomes which variable.
std::vector<EnvironmentVariable> server_environment(const api::Spec& spec);

/// apiVersion, kind, name, namespace, labels, owner reference: what every child begins with.
nlohmann::json child_skeleton(const api::ImageClassifier& classifier, const char* api_version, Kind kind,
                              const std::string& name);
/// Computes the hash, stores it in the annotation, and serialises.
Manifest finish(Kind kind, nlohmann::json object);

}  // namespace imageclassifier::resources
