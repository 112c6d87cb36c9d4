#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/result.hpp"
#include "operator/api/condition.hpp"
#include "operator/api/object_meta.hpp"
#include "operator/api/packed_text.hpp"

namespace imageclassifier::api {

inline constexpr const char* kApiVersion = "imageclassifier.dev/v1alpha1";
inline constexpr const char* kKind = "ImageClassifier";

// The specification, in the shape of crds/imageclassifiers.yaml. Defaults here repeat the schema's, for resources that
// never went through an API server (`render -f`).

struct ServingSpec {
  std::int64_t top_k = 5;
  std::int64_t max_upload_bytes = 10 * 1024 * 1024;
  std::int64_t max_image_pixels = 50'000'000;
  std::int64_t request_timeout_seconds = 10;
  std::int64_t queue_depth = 64;
  bool upload_page = true;
};

/// The node pulls with its own identity; also what holds without spec.registry.auth.
struct NodeIdentity {};
struct ExistingSecret {
  std::string name;
};
struct BasicCredential {
  std::string secret_name;
  std::string username_key = "username";
  std::string password_key = "password";
};
using RegistryAuth = std::variant<NodeIdentity, ExistingSecret, BasicCredential>;

struct ServiceSpec {
  std::string type = "LoadBalancer";
  std::int64_t port = 80;
  std::string scope = "Internal";
  std::vector<std::string> source_ranges;
  std::string load_balancer_class;
  std::map<std::string, std::string> annotations;
  std::string external_traffic_policy = "Cluster";
};

struct Toleration {
  std::string key;
  std::string operator_name;
  std::string value;
  std::string effect;
  std::optional<std::int64_t> toleration_seconds;
};

struct PodSpec {
  std::map<std::string, std::string> node_selector;
  std::vector<Toleration> tolerations;
  std::string priority_class_name;
  std::int64_t termination_grace_period_seconds = 45;
};

/// Quantities by resource name, in the form that the user wrote.
struct ResourceRequirements {
  std::map<std::string, std::string> requests;
  std::map<std::string, std::string> limits;
};

struct Spec {
  std::string image;
  std::int64_t replicas = 1;
  std::string model_path;    ///< spec.model.source.image.path; empty: the image's own
  std::string model_sha256;  ///< empty: not checked
  ServingSpec serving;
  RegistryAuth auth;
  ServiceSpec service;
  ResourceRequirements resources{{{"cpu", "1"}, {"memory", "1Gi"}}, {{"memory", "2Gi"}}};
  PodSpec pod;
};

struct Endpoint {
  std::string url;
  std::string address;
  std::string scope;
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

struct ModelStatus {
  std::string architecture;
  std::string weights_sha256;
  std::string precision;
  friend bool operator==(const ModelStatus&, const ModelStatus&) = default;
};

struct Failure {
  std::string reason;
  std::string message;
  std::string remedy;
  std::string object;
  std::string pod_name;
  std::string container_name;
  std::optional<std::int64_t> exit_code;
  std::string time;
  friend bool operator==(const Failure&, const Failure&) = default;
};

struct Status {
  std::int64_t observed_generation = -1;
  std::int64_t replicas = 0;
  std::int64_t ready_replicas = 0;
  std::string selector;
  std::optional<Endpoint> endpoint;
  std::optional<ModelStatus> model;
  std::string pull_secret_name;
  std::optional<Failure> last_failure;
  std::vector<Condition> conditions;
  friend bool operator==(const Status&, const Status&) = default;
};

struct ImageClassifier {
  ObjectMeta metadata;
  Spec spec;
  Status status;
};

/// From the API server's JSON. Members of a wrong type read as their default; only a missing image is an error.
Result<ImageClassifier> decode_image_classifier(std::string_view json);

/// An ImageClassifier as the cache keeps it: specification and status packed, since a pass reads them whole and seldom.
struct PackedClassifier {
  ObjectMeta metadata;
  PackedText content;
};
/// As decode_image_classifier; what this accepts, unpack() gives back.
Result<PackedClassifier> decode_packed_classifier(std::string_view json);
Result<ImageClassifier> unpack(const PackedClassifier& packed);

Status parse_status(const nlohmann::json& status);
nlohmann::json to_json(const Status& status);

}  // namespace imageclassifier::api
