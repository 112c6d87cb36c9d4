#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "operator/api/image_classifier.hpp"
#include "operator/resources/builders.hpp"

namespace imageclassifier::resources {

// What the containers of a pod read from objects that others own, and where they find it. Pure.

/// An object that the specification names: pods cannot start without it.
struct Reference {
  enum class Kind { kConfigMap, kSecret, kPersistentVolumeClaim };
  Kind kind = Kind::kConfigMap;
  std::string name;
  std::string key;    ///< that it must hold; empty: any
  std::string field;  ///< of the resource, "spec.model.labels"
};
inline constexpr const char* kTlsField = "spec.service.tls";
/// Tells the server where the user name and the password of its callers are; without it anybody is answered.
inline constexpr const char* kAccessVariable = "INFERENCE_AUTH_BASIC_FILE";
inline constexpr const char* kAuthenticationField = "spec.service.authentication";
/// "ConfigMap", "Secret"...
const char* to_string(Reference::Kind kind) noexcept;
std::vector<Reference> references(const api::ImageClassifier& classifier);

/// A volume, and the folder where containers see it.
struct Mount {
  std::string volume;
  std::string folder;
  std::string source_json;  ///< what the volume is: a member of core/v1 Volume with its value, as an object
  bool server = true;       ///< the server's container has it, read-only
  bool fetch = false;       ///< the container that downloads the model has it
};
std::vector<Mount> mounts(const api::ImageClassifier& classifier);

/// The server's variables that hold paths of mounts, and what belongs to them.
std::vector<EnvironmentVariable> mount_environment(const api::Spec& spec);
/// Those of the container that downloads the model; empty unless the model comes from a URL.
std::vector<EnvironmentVariable> fetch_environment(const api::Spec& spec);

/// The TCP port of the model's URL; nothing unless the model comes from a URL.
std::optional<int> model_port(const api::Spec& spec);
/// The same of a pod template.
std::optional<int> model_port(const nlohmann::json& pod_template);

/// Whether the pods of a template ask their callers for a user name and a password.
bool asks_for_password(const nlohmann::json& pod_template);

/// The Secret whose certificate the pods of a template show; empty: none.
std::string tls_secret(const nlohmann::json& pod_template);
/// The Secret with the user name and the password that they ask for; empty: none.
std::string callers_secret(const nlohmann::json& pod_template);

}  // namespace imageclassifier::resources
