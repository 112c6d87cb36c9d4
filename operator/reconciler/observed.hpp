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
#include "operator/diagnosis/reasons.hpp"
#include "operator/reconciler/image_answer.hpp"
#include "operator/registry/mint.hpp"
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
  bool forbidden = false;  ///< kUnhealthy: the operator must not connect to what the address stands for
  bool reached = false;    ///< the address has answered here since url and way are these
  std::optional<api::ModelStatus> model;
  friend bool operator==(const EndpointState&, const EndpointState&) = default;
};

/// What is known of spec.image beside the specification.
struct ImageLookup {
  bool allowed = false;                            ///< the operator may ask the image's registry
  bool asks_nobody = false;                        ///< what the status tells is all that is known
  std::string authorities = {};                    ///< content of spec.registry.caBundle
  std::string missing_bundle = {};                 ///< why that cannot be used; empty: it can, or none is named
  std::optional<ImageQuestion> question = {};      ///< image_question()
  std::shared_ptr<const ImageAnswer> answer = {};  ///< to it; null: none yet
  /// Of the nodes that the pods may use: NodeArchitectures; null: nobody has looked yet.
  std::shared_ptr<const std::set<std::string>> architectures = {};
};

/// The ServiceAccount that spec.registry.auth names, with its annotations azure.workload.identity/client-id and
/// tenant-id.
struct ObservedAccount {
  std::string uid;
  std::string client_id;
  std::string tenant_id;
};

/// What has come of asking for a credential.
struct MintAnswer {
  std::optional<registry::Minted> minted;
  std::optional<registry::MintFailure> failure;  ///< if there is no credential
  friend bool operator==(const MintAnswer&, const MintAnswer&) = default;
};

/// A credential that the operator mints: see minting.hpp.
struct ObservedMinting {
  std::string inputs;  ///< of the one that is wanted; empty: nothing can be said of it here
  std::optional<diagnosis::Finding> obstacle;
  std::shared_ptr<const MintAnswer> answer;  ///< null: nobody was asked, or not yet
  registry::MintQuestion question = {};      ///< without an obstacle: what is to be asked
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
  std::vector<api::Event> pod_events;           ///< the newest of one pod that is being created for long: PodEvents
  std::optional<ObservedSecret> source_secret;  ///< the one that spec.registry.auth names
  /// The API server's sentence when it does not let us read a Secret; empty: it does.
  std::string secrets_forbidden;
  std::string missing_pull_secret;            ///< diagnosis::Workload; looked for only while a pull fails
  std::optional<ObservedSecret> pull_secret;  ///< <name>-acr-pull, read if it is wanted or known to exist
  /// Of resources::references() those that exist, or that we may not read.
  std::map<ReferenceKey, ObservedReference> references;
  std::optional<ObservedSecret> access_secret;  ///< <name>-access, read if it is wanted or known to exist
  Secret drawn_password;                        ///< set if one is needed for it
  std::optional<ObservedAccount> account;
  std::string account_forbidden;  ///< the API server's sentence when it does not let us read it; empty: it does
  ObservedMinting minting;
  EndpointState endpoint;
  ImageLookup image;
};

}  // namespace imageclassifier::reconciler
