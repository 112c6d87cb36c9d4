#include "operator/cli/doctor.hpp"

#include <memory>
#include <utility>

#include "operator/cli/chain.hpp"
#include "operator/reconciler/kinds.hpp"
#include "operator/reconciler/observe.hpp"
#include "operator/reconciler/pod_events.hpp"
#include "operator/resources/builders.hpp"

namespace imageclassifier::cli {
namespace {

/// The right is missing to who asks, not to the operator.
Error told(Error error, const std::string& space) {
  if (error.code != ErrorCode::kPermissionDenied) return error;
  error.message +=
      ". Without that right nothing can be told; who administers namespace " + space + " can grant it to you";
  return error;
}

/// What the operator has in its caches, for one resource.
struct Listed {
  reconciler::Store<api::PackedClassifier> classifiers;
  reconciler::Store<api::Deployment> deployments;
  reconciler::Store<api::Revision> revisions;
  reconciler::Store<api::ReplicaSet> replica_sets;
  reconciler::Store<api::Pod> pods;
  reconciler::Store<api::Service> services;
  reconciler::Store<api::Event> events;
};

template <typename T>
Result<void> list(reconciler::Store<T>& store, kubernetes::ApiClient& client,
                  const kubernetes::GroupVersionResource& resource, const std::string& namespace_name,
                  kubernetes::Selectors selectors, Result<T> (*decode)(std::string_view), std::stop_token stop) {
  kubernetes::ListOptions options;
  options.selectors = std::move(selectors);
  const auto keep = [&](std::string_view item) {
    if (const auto object = decode(item)) store.upsert(std::make_shared<const api::Record<T>>(*object));
  };
  const auto page = client.list(resource, namespace_name, options, keep, std::move(stop));
  if (!page) return fail(page.error());
  return {};
}

}  // namespace

Result<Verdict> examine(kubernetes::ApiClient& client, const kubernetes::ObjectName& name, Clock& clock,
                        std::stop_token stop) {
  Listed listed;
  const std::string& space = name.namespace_name;
  const std::string ours = std::string(resources::kInstanceLabel) + "=" + name.name + "," + resources::kManagedByLabel +
                           "=" + resources::kManagedBy;
  const std::string about = "involvedObject.kind=Service,involvedObject.name=" + name.name;
  for (const Result<void>& read :
       {list(listed.revisions, client, reconciler::controller_revisions(), space, {.labels = ours},
             &api::decode_revision, stop),
        list(listed.replica_sets, client, reconciler::replica_sets(), space, {.labels = ours}, &api::decode_replica_set,
             stop),
        list(listed.pods, client, reconciler::pods(), space, {.labels = ours}, &api::decode_pod, stop),
        list(listed.events, client, reconciler::events(), space, {.fields = about}, &api::decode_event, stop)}) {
    if (!read) return fail(told(read.error(), space));
  }
  const reconciler::Stores stores{listed.classifiers, listed.deployments, listed.revisions, listed.replica_sets,
                                  listed.pods,        listed.services,    listed.events,    {},
                                  [] { return true; }};
  const reconciler::EndpointProber nobody({}, {}, {}, clock);  // never started: this program asks by itself
  auto observed = reconciler::observe({space, name.name}, stores, client, {nobody}, true, clock.wall_now(), stop);
  if (!observed) return fail(told(observed.error(), space));
  if (!*observed) {
    return fail(ErrorCode::kNotFound, "There is no ImageClassifier " + name.name + " in namespace " + space +
                                          "; kubectl get imageclassifiers -A lists them.");
  }
  reconciler::PodEvents({.patience = {}}, client, clock).read(**observed, stop);
  std::optional<reconciler::ProbeResult> probe;
  if (const auto target = target_to_ask(**observed, reconciler::make_plan(**observed, clock.wall_now()))) {
    probe = reconciler::probe_over_http(*target, clock, stop);
  }
  const std::vector<Link> chain = walk(**observed, probe, clock.wall_now());
  return Verdict{format(chain, "ImageClassifier " + space + "/" + name.name), first_fault(chain) == nullptr};
}

}  // namespace imageclassifier::cli
