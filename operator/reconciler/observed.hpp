#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/secret.hpp"
#include "operator/api/child.hpp"
#include "operator/api/image_classifier.hpp"
#include "operator/api/revision.hpp"
#include "operator/api/service.hpp"
#include "operator/api/workload.hpp"
#include "operator/resources/manifest.hpp"
#include "operator/resources/mounts.hpp"

namespace imageclassifier::reconciler {

/// A Secret that was read by name.
struct ObservedSecret {
  api::ObjectMeta metadata;
  std::string type;
  std::map<std::string, Secret> data;  ///< values in base64, as in the object
  Secret owned;  ///< type, data, metadata.{labels,annotations,ownerReferences} as JSON, for comparing with what we want
};

/// An object that the specification names, read by name.
struct ObservedReference {
  std::string forbidden;  ///< the API server's sentence when it does not let us read the object; empty: it does
  std::set<std::string> keys;
  std::optional<ObservedSecret> secret;  ///< if it is one
};
using ReferenceKey = std::pair<resources::Reference::Kind, std::string>;

/// What the prober knows of an address.
struct EndpointState {
  enum class Kind { kUnknown, kHealthy, kUnhealthy };
  Kind kind = Kind::kUnknown;
  std::string url;     ///< the address that was asked
  std::string way;     ///< ProbeTarget::way
  std::string detail;  ///< kUnhealthy: why, stable
  /// kUnhealthy: the address cannot be reached from here, but the Service answers in the cluster network.
  bool inside = false;
  bool reached = false;  ///< the address has answered here since url and way are these
  std::optional<api::ModelStatus> model;
  friend bool operator==(const EndpointState&, const EndpointState&) = default;
};

/// Everything that a decision is made from, but the time.
struct Observed {
  api::ImageClassifier classifier;
  std::shared_ptr<const api::Deployment> deployment;            ///< of our name, whoever owns it
  std::vector<std::shared_ptr<const api::Revision>> revisions;  ///< those that are ours
  std::map<std::string, std::string> templates;                 ///< of needed_templates() by name, as JSON
  std::vector<std::shared_ptr<const api::ReplicaSet>> replica_sets;
  std::vector<std::shared_ptr<const api::Pod>> pods;
  std::shared_ptr<const api::Service> service;  ///< of our name, whoever owns it
  /// Those of our name that exist, whoever owns them; of the kinds of resources::optional_children.
  std::map<resources::Kind, std::shared_ptr<const api::Child>> optional_children;
  bool serves_monitors = false;  ///< the cluster has the kind ServiceMonitor
  std::vector<std::shared_ptr<const api::Event>> service_events;
  std::vector<api::Event> pod_events;           ///< of one pod that is being created for too long: PodEvents
  std::optional<ObservedSecret> source_secret;  ///< the one that spec.registry.auth names
  /// The API server's sentence when it does not let us read a Secret; empty: it does.
  std::string secrets_forbidden;
  std::optional<ObservedSecret> pull_secret;  ///< <name>-acr-pull, read if it is wanted or known to exist
  /// Of resources::references() those that exist, or that we may not read.
  std::map<ReferenceKey, ObservedReference> references;
  std::optional<ObservedSecret> access_secret;  ///< <name>-access, read if it is wanted or known to exist
  Secret drawn_password;                        ///< set if one is needed for it
  EndpointState endpoint;
};

}  // namespace imageclassifier::reconciler
