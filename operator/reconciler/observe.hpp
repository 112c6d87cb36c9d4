#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>

#include "common/result.hpp"
#include "operator/api/record.hpp"
#include "operator/kubernetes/api_client.hpp"
#include "operator/reconciler/image_checker.hpp"
#include "operator/reconciler/mint_desk.hpp"
#include "operator/reconciler/node_architectures.hpp"
#include "operator/reconciler/observed.hpp"
#include "operator/reconciler/prober.hpp"
#include "operator/runtime/store.hpp"

namespace imageclassifier::reconciler {

template <typename T>
using Store = runtime::Store<api::Record<T>>;

/// The caches that a pass reads.
struct Stores {
  const Store<api::PackedClassifier>& classifiers;
  const Store<api::Deployment>& deployments;
  const Store<api::Revision>& revisions;
  const Store<api::ReplicaSet>& replica_sets;
  const Store<api::Pod>& pods;
  const Store<api::Service>& services;
  const Store<api::Event>& events;
  /// Of every kind of resources::optional_children.
  std::map<resources::Kind, const Store<api::Child>*> optional_children;
  /// Whether the cluster has the kind ServiceMonitor; nothing: it has not.
  std::function<bool()> serves_monitors = {};
};

/// Those who ask what the API server does not know.
struct Askers {
  const EndpointProber& prober;
  const ImageChecker* images = nullptr;      ///< null: no registry is asked
  const MintDesk* mint_desk = nullptr;       ///< null: nothing is minted here
  const NodeArchitectures* nodes = nullptr;  ///< null: images are not compared with nodes
};

/// Puts together what a decision needs: the caches, the Secrets and what else the specification names by GET (they are
/// never listed or watched), what the askers know. With `live`, resource and children are read from the server as well,
/// because the caches may be older than our own writes. Nothing if the resource does not exist (any more). Errors:
/// those of the client.
Result<std::optional<Observed>> observe(const runtime::ObjectKey& key, const Stores& stores,
                                        kubernetes::ApiClient& client, const Askers& askers, bool live, WallTime now,
                                        std::stop_token stop);

/// From the API server's JSON.
ObservedSecret parse_secret(const std::string& body);

}  // namespace imageclassifier::reconciler
