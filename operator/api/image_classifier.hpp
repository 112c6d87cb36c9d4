#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "operator/api/condition.hpp"
#include "operator/api/object_meta.hpp"
#include "operator/api/packed_text.hpp"
#include "operator/api/specification.hpp"

namespace imageclassifier::api {

inline constexpr const char* kApiVersion = "imageclassifier.dev/v1alpha1";
inline constexpr const char* kKind = "ImageClassifier";

struct Endpoint {
  std::string url;
  std::string address;
  std::string scope;
  std::string probed_from;  ///< where the operator's probe went: LoadBalancer or ClusterNetwork; empty: not known yet
  std::string last_transition_time = {};  ///< RFC 3339; when any of the others changed
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

/// The image of the specification, and what the registry, or else the nodes, found under that name.
struct ImageStatus {
  std::string requested;                    ///< spec.image
  std::string resolved;                     ///< host/repository@sha256:...; empty: nobody has told yet
  std::string digest;                       ///< "sha256:..."; empty likewise
  std::vector<std::string> platforms = {};  ///< "linux/arm64"; empty: not known
  std::string tag_digest = {};              ///< what the tag stands for by now; empty: the same, or not known
  friend bool operator==(const ImageStatus&, const ImageStatus&) = default;
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

/// The Secret with which the image is pulled; times in RFC 3339, empty if it does not end.
struct PullSecretStatus {
  std::string name = {};
  std::string expires_at = {};
  std::string rotate_at = {};
  friend bool operator==(const PullSecretStatus&, const PullSecretStatus&) = default;
};

struct Status {
  std::int64_t observed_generation = -1;
  std::int64_t replicas = 0;
  std::int64_t ready_replicas = 0;
  std::string selector;
  std::optional<Endpoint> endpoint;
  std::optional<ImageStatus> image;
  std::optional<ModelStatus> model;
  PullSecretStatus pull_secret;
  std::string access_secret_name;
  /// Names of ControllerRevisions: of the pods that serve, of the specification, of what was rolled out last.
  std::string current_revision;
  std::string update_revision;
  std::string last_good_revision;
  std::string next_scheduled_change;  ///< RFC 3339
  std::optional<Failure> last_failure;
  std::vector<Condition> conditions;
  friend bool operator==(const Status&, const Status&) = default;
};

struct ImageClassifier {
  ObjectMeta metadata;
  Spec spec;
  Status status;
  /// Of no resource: what its pods run in place of a tag, "server/repository:tag@sha256:...", as the Deployment says.
  /// One that is of another image than spec.image counts for nothing.
  std::string pinned_image = {};
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
