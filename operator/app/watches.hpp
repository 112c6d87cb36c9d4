#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "operator/app/options.hpp"
#include "operator/reconciler/observe.hpp"
#include "operator/runtime/informer.hpp"
#include "operator/runtime/work_queue.hpp"

namespace imageclassifier::app {

/// The caches of all kinds that the operator reads, and who is told of their changes: the queue gets the key of the
/// resource that a change concerns. Thread safe but for start() and stop(), which are called once each.
class Watches {
 public:
  /// References must outlive the object.
  Watches(kubernetes::ApiClient& client, const RunOptions& options, runtime::WorkQueue& queue, Clock& clock,
          MetricsRegistry& metrics);

  void start();
  void stop();
  /// Every cache holds its first list.
  bool synced() const;
  /// The keys of all resources in the cache.
  std::vector<runtime::ObjectKey> classifiers() const;
  /// Everything up to this version is in the cache of the kind; only of kinds that we write and watch.
  std::string last_seen(std::string_view plural) const;
  reconciler::Stores stores() const;

 private:
  template <typename T>
  using Informer = runtime::Informer<api::Record<T>>;
  template <typename T>
  void tell_instance(Informer<T>& informer);
  void enqueue(const runtime::ObjectKey& key, bool initial);
  void enqueue_all();

  runtime::WorkQueue& queue_;
  Informer<api::PackedClassifier> classifiers_;
  Informer<api::Deployment> deployments_;
  Informer<api::Revision> revisions_;
  Informer<api::ReplicaSet> replica_sets_;
  Informer<api::Pod> pods_;
  Informer<api::Service> services_;
  std::map<resources::Kind, Informer<api::Child>> optional_children_;
  Informer<api::Event> events_;
};

}  // namespace imageclassifier::app
