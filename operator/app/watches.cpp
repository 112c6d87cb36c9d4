#include "operator/app/watches.hpp"

#include <algorithm>

#include "operator/reconciler/kinds.hpp"
#include "operator/resources/builders.hpp"

namespace imageclassifier::app {
namespace {

using runtime::ObjectKey;
using runtime::WorkQueue;

runtime::ResourceWatch::Options watched(const kubernetes::GroupVersionResource& resource, const RunOptions& options,
                                        kubernetes::Selectors selectors,
                                        kubernetes::Content content = kubernetes::Content::kWhole) {
  runtime::ResourceWatch::Options watch;
  watch.content = content;
  watch.resource = resource;
  watch.namespace_name = options.namespace_name;
  watch.selectors = std::move(selectors);
  watch.reflector.idle_timeout = std::chrono::seconds(options.watch_idle_seconds);
  watch.reflector.stream_list = options.stream_lists;
  watch.reflector.idle_jitter = watch.reflector.idle_timeout * 20 / 75;
  return watch;
}

kubernetes::Selectors our_children() {
  kubernetes::Selectors selectors;
  selectors.labels = std::string(resources::kManagedByLabel) + "=" + resources::kManagedBy;
  return selectors;
}

kubernetes::Selectors events_of_services() {
  kubernetes::Selectors selectors;
  selectors.fields = "involvedObject.kind=Service";
  return selectors;
}

template <typename T>
const api::Record<T>& record_of(const runtime::Change<api::Record<T>>& change) {
  return change.after ? *change.after : *change.before;
}

}  // namespace

/// Children carry the resource's name in a label.
template <typename T>
void Watches::tell_instance(Informer<T>& informer) {
  informer.add_handler([this](const runtime::Change<api::Record<T>>& change) {
    const api::ObjectMeta metadata = record_of(change).metadata();
    if (!metadata.instance.empty()) enqueue({metadata.namespace_name, metadata.instance}, change.initial);
  });
}

Watches::Watches(kubernetes::ApiClient& client, const RunOptions& options, WorkQueue& queue, Clock& clock,
                 MetricsRegistry& metrics)
    : queue_(queue),
      classifiers_(client, watched(reconciler::image_classifiers(), options, {}),
                   api::recorded(api::decode_packed_classifier), clock, metrics),
      deployments_(client, watched(reconciler::deployments(), options, our_children()),
                   api::recorded(api::decode_deployment), clock, metrics),
      revisions_(client,
                 watched(reconciler::controller_revisions(), options, our_children(), kubernetes::Content::kMetadata),
                 api::recorded(api::decode_revision), clock, metrics),
      replica_sets_(client, watched(reconciler::replica_sets(), options, our_children()),
                    api::recorded(api::decode_replica_set), clock, metrics),
      pods_(client, watched(reconciler::pods(), options, our_children()), api::recorded(api::decode_pod), clock,
            metrics),
      services_(client, watched(reconciler::services(), options, our_children()), api::recorded(api::decode_service),
                clock, metrics),
      events_(client, watched(reconciler::events(), options, events_of_services()), api::recorded(api::decode_event),
              clock, metrics) {
  classifiers_.add_handler([this](const auto& change) { enqueue(runtime::key_of(record_of(change)), change.initial); });
  tell_instance(deployments_);
  tell_instance(revisions_);
  tell_instance(replica_sets_);
  tell_instance(pods_);
  tell_instance(services_);
  for (const resources::Kind kind : resources::kOptionalKinds) {
    auto watch = watched(reconciler::collection_of(kind), options, our_children());
    if (kind == resources::Kind::kServiceMonitor) {
      watch.reflector.may_be_missing = true;
      watch.served_changed = [this](bool) { enqueue_all(); };
    }
    auto& informer =
        optional_children_.try_emplace(kind, client, std::move(watch), api::recorded(api::decode_child), clock, metrics)
            .first->second;
    tell_instance(informer);
  }
  events_.add_handler([this](const auto& change) {
    if (!change.after) return;  // an event that expired is no news
    const api::Event event = change.after->object();
    const ObjectKey key{event.involved_namespace, event.involved_name};
    if (services_.store().get(key)) enqueue(key, change.initial);
  });
}

void Watches::start() {
  classifiers_.start();
  deployments_.start();
  revisions_.start();
  replica_sets_.start();
  pods_.start();
  services_.start();
  for (auto& [kind, informer] : optional_children_) informer.start();
  events_.start();
}

void Watches::stop() {
  events_.stop();
  for (auto& [kind, informer] : optional_children_) informer.stop();
  services_.stop();
  pods_.stop();
  replica_sets_.stop();
  revisions_.stop();
  deployments_.stop();
  classifiers_.stop();
}

bool Watches::synced() const {
  const bool optional = std::all_of(optional_children_.begin(), optional_children_.end(),
                                    [](const auto& entry) { return entry.second.has_synced(); });
  return optional && classifiers_.has_synced() && deployments_.has_synced() && revisions_.has_synced() &&
         replica_sets_.has_synced() && pods_.has_synced() && services_.has_synced() && events_.has_synced();
}

std::vector<ObjectKey> Watches::classifiers() const {
  std::vector<ObjectKey> keys;
  for (const auto& classifier : classifiers_.store().list()) keys.push_back(runtime::key_of(*classifier));
  return keys;
}

std::string Watches::last_seen(std::string_view plural) const {
  if (plural == "deployments") return deployments_.last_seen_resource_version();
  if (plural == "controllerrevisions") return revisions_.last_seen_resource_version();
  if (plural == "services") return services_.last_seen_resource_version();
  for (const auto& [kind, informer] : optional_children_) {
    if (plural == reconciler::collection_of(kind).plural) return informer.last_seen_resource_version();
  }
  return classifiers_.last_seen_resource_version();
}

reconciler::Stores Watches::stores() const {
  reconciler::Stores stores{classifiers_.store(),
                            deployments_.store(),
                            revisions_.store(),
                            replica_sets_.store(),
                            pods_.store(),
                            services_.store(),
                            events_.store(),
                            {},
                            {}};
  for (const auto& [kind, informer] : optional_children_) stores.optional_children.emplace(kind, &informer.store());
  stores.serves_monitors = [this] { return optional_children_.at(resources::Kind::kServiceMonitor).is_served(); };
  return stores;
}

void Watches::enqueue_all() {
  for (const ObjectKey& key : classifiers()) enqueue(key, true);
}

void Watches::enqueue(const ObjectKey& key, bool initial) {
  queue_.add(key, initial ? WorkQueue::Priority::kBackground : WorkQueue::Priority::kFresh);
}

}  // namespace imageclassifier::app
