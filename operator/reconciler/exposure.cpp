#include "operator/reconciler/exposure.hpp"

#include <algorithm>

namespace imageclassifier::reconciler {
namespace {

const api::Revision* find(const Observed& observed, const std::string& name) {
  const auto found = std::find_if(observed.revisions.begin(), observed.revisions.end(),
                                  [&](const auto& revision) { return revision->metadata.name == name; });
  return found == observed.revisions.end() ? nullptr : found->get();
}

/// Names of the revisions that have such a pod.
template <typename Predicate>
std::set<std::string> revisions_with(const Observed& observed, Predicate is_such) {
  std::set<std::string> names;
  for (const auto& replica_set : observed.replica_sets) {
    const bool has_one = std::any_of(observed.pods.begin(), observed.pods.end(), [&](const auto& pod) {
      return pod->metadata.owner_uid == replica_set->metadata.uid && is_such(*pod);
    });
    if (has_one) names.insert(replica_set->metadata.pod_revision);
  }
  return names;
}

/// The revision that the Service is to lead to; the wanted one may not be recorded yet.
const api::Revision* served(const Observed& observed, const Rollout& rollout, const std::set<std::string>& serving) {
  const std::string deployed = observed.deployment ? observed.deployment->metadata.pod_revision : rollout.target.name;
  const bool moved_on = !serving.contains(rollout.current) && serving.contains(deployed);
  const std::string& name = moved_on || rollout.current.empty() ? deployed : rollout.current;
  return name == rollout.wanted.name ? nullptr : find(observed, name);
}

/// Pods that are not ready now may be so in a moment, once they are on a node. Of the last good revision new ones are
/// made after a rollback.
bool may_answer_anybody(const Observed& observed, const Rollout& rollout) {
  const auto is_open = [&](const std::string& name) {
    const api::Revision* revision = find(observed, name);
    return revision == nullptr ? name != rollout.wanted.name : !revision->guarded;
  };
  if (!rollout.last_good.empty() && is_open(rollout.last_good)) return true;
  const std::set<std::string> running = revisions_with(observed, [](const api::Pod& pod) {
    return (api::is_ready(pod) || !pod.node_name.empty()) && !api::has_ended(pod);
  });
  return std::any_of(running.begin(), running.end(), is_open);
}

}  // namespace

std::set<std::string> serving_revisions(const Observed& observed) {
  return revisions_with(observed, api::is_ready);
}

resources::Exposure possible_exposure(const Observed& observed, const Rollout& rollout) {
  const api::Spec& spec = observed.classifier.spec;
  resources::Exposure exposure{spec.service, spec.network_policy};
  const api::Revision* revision = served(observed, rollout, serving_revisions(observed));
  if (revision != nullptr) exposure.service.tls_secret_name = revision->tls_secret;
  if (spec.service.authentication.basic && may_answer_anybody(observed, rollout)) {
    const auto policy = observed.optional_children.find(resources::Kind::kNetworkPolicy);
    const bool exists = policy != observed.optional_children.end();
    resources::let_in_no_more(exposure, observed.service.get(), exists ? policy->second.get() : nullptr);
  }
  return exposure;
}

}  // namespace imageclassifier::reconciler
