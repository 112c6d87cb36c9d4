#pragma once

#include <optional>
#include <string>
#include <vector>

#include "operator/api/image_classifier.hpp"
#include "operator/api/service.hpp"
#include "operator/api/workload.hpp"
#include "operator/diagnosis/reasons.hpp"

namespace imageclassifier::diagnosis {

/// What the diagnosis of a workload looks at. `replica_sets` and `pods` may hold those of earlier revisions too.
struct Workload {
  const api::ImageClassifier* classifier = nullptr;
  std::string server;                    ///< registry of the image
  std::string credential_source;         ///< "Secret acr-credentials"; empty without a pull credential
  std::string missing_pull_secret = {};  ///< of spec.pod.imagePullSecrets one that does not exist; empty: not known
  /// Platforms of the image, once the operator has found it in its registry with the pods' credential; empty: it has
  /// not.
  std::string found_for = {};
  const api::Deployment* deployment = nullptr;
  std::vector<const api::ReplicaSet*> replica_sets;
  std::vector<const api::Pod*> pods;
  const std::vector<api::Event>* pod_events = nullptr;  ///< of pods that are being created; may be nullptr
};

/// The ReplicaSet of the Deployment's newest revision, or nullptr.
const api::ReplicaSet* current_replica_set(const Workload& workload);

/// The deepest cause why pods of the current ReplicaSet are not ready, over all of them; nothing if each one is ready
/// or none exists and nothing speaks against it. A pod that has ended speaks only if no other does, and until another
/// one is in its place.
std::optional<Finding> diagnose_workload(const Workload& workload);

/// Why the current revision cannot become ready, however long one waits: most of its pods end again and again, or say
/// that they never can, or the Deployment's progress deadline has passed. Nothing while it may: a few pods that end may
/// have met a bad node. Nor, after the deadline, while a pod fetches or loads its model, both of which end by
/// themselves when they get no further, or waits for a node, a volume or a quota and earlier ones serve.
std::optional<Finding> diagnose_hopeless(const Workload& workload);

/// A pod of the current ReplicaSet that finds no room, while pods of an earlier one serve.
std::optional<Finding> diagnose_blocked(const Workload& workload);

/// Somebody has paused the Deployment, and that keeps a change from its pods.
std::optional<Finding> diagnose_pause(const Workload& workload);

}  // namespace imageclassifier::diagnosis
