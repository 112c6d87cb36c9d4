#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace imageclassifier::api {

inline constexpr const char* kFieldManager = "imageclassifier-operator";
inline constexpr const char* kRevisionAnnotation = "imageclassifier.dev/revision";
/// Of a Deployment: ImageClassifier::pinned_image.
inline constexpr const char* kPinnedAnnotation = "imageclassifier.dev/pinned-image";

/// The part of metav1.ObjectMeta that we use. Caches hold one of these per object: what nobody reads is not kept.
struct ObjectMeta {
  std::string name;
  std::string namespace_name;
  std::string uid;
  std::string resource_version;
  std::int64_t generation = 0;
  std::int64_t revision = 0;  ///< annotation deployment.kubernetes.io/revision of a ReplicaSet; 0 without
  /// annotation kRevisionAnnotation: the ControllerRevision whose pod template it has. The Deployment controller copies
  /// it from the Deployment to the ReplicaSet of the same template.
  std::string pod_revision;
  std::string instance;            ///< label app.kubernetes.io/instance; empty without
  std::string owner_uid;           ///< of the owner with `controller: true`; empty if there is none
  std::string creation_timestamp;  ///< RFC 3339
  bool deleting = false;           ///< deletionTimestamp is set
  /// metadata.managedFields holds an entry of our manager with operation Update outside the status: what a POST of ours
  /// leaves behind, to be turned into an Apply entry.
  bool created_by_update = false;
  /// managedFields says that spec.replicas is ours.
  bool owns_replicas = false;
  friend bool operator==(const ObjectMeta&, const ObjectMeta&) = default;
};

/// From the JSON text of an object's metadata. Members of a wrong type read as empty.
ObjectMeta decode_object_meta(std::string_view metadata);

}  // namespace imageclassifier::api
