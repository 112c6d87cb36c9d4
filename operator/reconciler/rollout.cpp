#include "operator/reconciler/rollout.hpp"

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <sstream>

#include "operator/api/json_access.hpp"
#include "operator/reconciler/image.hpp"

namespace imageclassifier::reconciler {
namespace {

using diagnosis::Finding;
using RevisionPtr = std::shared_ptr<const api::Revision>;

const api::Deployment* our_deployment(const Observed& observed) {
  const api::Deployment* deployment = observed.deployment.get();
  const bool ours = deployment != nullptr && deployment->metadata.owner_uid == observed.classifier.metadata.uid;
  return ours ? deployment : nullptr;
}

RevisionPtr find_revision(const Observed& observed, const std::string& name) {
  for (const RevisionPtr& revision : observed.revisions) {
    if (revision->metadata.name == name && !revision->metadata.deleting) return revision;
  }
  return nullptr;
}

/// The failure that keeps the wanted revision from being tried: its own, or that of another template of the same
/// specification, as long as none of them was ever good.
RevisionPtr find_failed(const Observed& observed, const std::string& wanted, const std::string& specification) {
  RevisionPtr failed = find_revision(observed, wanted);
  if (failed && !failed->marks.failure.empty()) return failed;
  failed = nullptr;
  for (const RevisionPtr& revision : observed.revisions) {
    const api::RevisionMarks& marks = revision->marks;
    if (marks.specification != specification || revision->metadata.deleting) continue;
    if (marks.failure.empty() && marks.completed > 0) return nullptr;
    if (!marks.failure.empty()) failed = revision;
  }
  return failed;
}

std::string failure_text(const Finding& finding) {
  return nlohmann::json({{"reason", finding.name()}, {"message", finding.message}, {"remedy", finding.remedy}}).dump();
}

Finding rolled_back(const RevisionPtr& failed, const std::string& good) {
  const nlohmann::json failure = api::parse_or_null(failed->marks.failure);
  Finding finding = diagnosis::make_finding("RolledBack", {{"revision", failed->metadata.name},
                                                           {"image", failed->images},
                                                           {"good", good},
                                                           {"detail", api::text_of(failure, "message")},
                                                           {"remedy", api::text_of(failure, "remedy")}});
  if (const auto* cause = diagnosis::find_reason(api::text_of(failure, "reason"))) finding.reason = cause;
  finding.object = "ControllerRevision " + failed->metadata.name;
  return finding;
}

/// While a new pod finds no room, old ones make it, one after the other; never the only one that serves. It goes on so
/// until the rollout has ended, or each next pod would have to be found without room first.
bool may_surge(const Observed& observed, const resources::Scale& scale, const diagnosis::Workload& workload,
               const std::string& target) {
  const api::RolloutSpec& wanted = observed.classifier.spec.rollout;
  const std::string surge = api::scalar_text(api::parse_or_null(wanted.max_surge_json));
  if (wanted.strategy == "Recreate" || std::strtol(surge.c_str(), nullptr, 10) == 0) return true;
  const api::Deployment* deployment = our_deployment(observed);
  if (deployment == nullptr || deployment->replicas < 2 || deployment->metadata.pod_revision != target ||
      is_rolled_out(*deployment, scale)) {
    return true;
  }
  if (deployment->available_replicas >= 2 && diagnosis::diagnose_blocked(workload)) return false;
  const nlohmann::json owned = api::parse_or_null(deployment->owned.text());
  const auto& strategy = api::member_at(owned, {"spec", "strategy", "rollingUpdate"});
  return api::scalar_text(api::member(strategy, "maxSurge")) != "0";
}

/// The oldest of those that nothing needs and that are more than the history holds.
std::vector<RevisionPtr> outdated_revisions(const Observed& observed, const Rollout& rollout) {
  std::vector<RevisionPtr> history;
  const std::string deployed = observed.deployment ? observed.deployment->metadata.pod_revision : "";
  for (const RevisionPtr& revision : observed.revisions) {
    const std::string& name = revision->metadata.name;
    const bool needed = name == rollout.wanted.name || name == rollout.target.name || name == rollout.last_good ||
                        name == rollout.current || name == deployed;
    // Its mark still keeps the specification from being tried again.
    const bool speaks =
        !revision->marks.failure.empty() && revision->marks.specification == rollout.marks.specification;
    if (!needed && !speaks && !revision->metadata.deleting) history.push_back(revision);
  }
  std::sort(history.begin(), history.end(),
            [](const auto& left, const auto& right) { return left->marks.number > right->marks.number; });
  const auto limit =
      static_cast<std::size_t>(std::max<std::int64_t>(observed.classifier.spec.rollout.revision_history_limit, 0));
  history.erase(history.begin(), history.begin() + static_cast<std::ptrdiff_t>(std::min(limit, history.size())));
  return history;
}

/// What was marked on the wanted revision before, and what this observation adds to it.
void mark_wanted(Rollout& rollout, const Observed& observed, const RevisionPtr& wanted, const resources::Scale& scale,
                 const diagnosis::Workload& workload) {
  std::int64_t last_number = 0, last_completed = 0;
  for (const RevisionPtr& revision : observed.revisions) {
    last_number = std::max(last_number, revision->marks.number);
    last_completed = std::max(last_completed, revision->marks.completed);
  }
  if (wanted) {
    rollout.marks = wanted->marks;
  } else {
    rollout.marks.specification = resources::specification_digest(observed.classifier);
  }
  const bool newest = wanted && wanted->marks.number == last_number;
  if (!newest) rollout.marks.number = last_number + 1;
  const bool auto_rollback = observed.classifier.spec.rollout.auto_rollback;
  if (!auto_rollback) rollout.marks.failure.clear();
  const api::Deployment* deployment = our_deployment(observed);
  if (!wanted || deployment == nullptr || deployment->metadata.pod_revision != rollout.wanted.name) return;
  if (is_rolled_out(*deployment, scale)) {
    rollout.marks.failure.clear();
    if (wanted->marks.completed == 0 || wanted->marks.completed < last_completed) {
      rollout.marks.completed = last_completed + 1;
    }
    return;
  }
  const api::ReplicaSet* current = diagnosis::current_replica_set(workload);
  // A cache of ReplicaSets that is older than that of Deployments would blame it for what an earlier one did.
  const bool seen = deployment->observed_generation >= deployment->metadata.generation && current != nullptr &&
                    current->metadata.pod_revision == rollout.wanted.name;
  const bool other_is_good = !rollout.last_good.empty() && rollout.last_good != rollout.wanted.name;
  if (!auto_rollback || !seen || !other_is_good || !wanted->marks.failure.empty()) return;
  if (const auto hopeless = diagnosis::diagnose_hopeless(workload)) rollout.marks.failure = failure_text(*hopeless);
}

}  // namespace

RevisionPtr find_last_good(const Observed& observed) {
  RevisionPtr last;
  for (const RevisionPtr& revision : observed.revisions) {
    const api::RevisionMarks& marks = revision->marks;
    if (marks.completed == 0 || !marks.failure.empty() || revision->metadata.deleting) continue;
    if (!last || marks.completed > last->marks.completed) last = revision;
  }
  return last;
}

std::string image_instead(const Observed& observed, const Rollout& rollout) {
  if (!rollout.failure) return {};
  const std::string& name = rollout.target.name;
  if (name != rollout.wanted.name) return resources::images_of(api::parse_or_null(rollout.target.template_json));
  const api::Deployment* deployment = our_deployment(observed);
  if (deployment == nullptr) return {};
  const nlohmann::json owned = api::parse_or_null(deployment->owned.text());
  return resources::images_of(api::member_at(owned, {"spec", "template"}));
}

std::vector<registry::ImageReference> images_of_before(const Observed& observed) {
  std::string images;
  const api::Deployment* deployment = observed.deployment.get();
  if (deployment != nullptr && deployment->metadata.owner_uid == observed.classifier.metadata.uid) {
    const nlohmann::json owned = api::parse_or_null(deployment->owned.text());
    images = resources::images_of(api::member_at(owned, {"spec", "template"}));
  }
  if (const auto good = find_last_good(observed)) images += "," + good->images;
  std::vector<registry::ImageReference> found;
  std::istringstream list(images);
  for (std::string image; std::getline(list, image, ',');) {
    if (auto reference = registry::parse_image_reference(image)) found.push_back(std::move(*reference));
  }
  return found;
}

diagnosis::Workload workload_of(const Observed& observed, const CredentialAssessment& credential) {
  diagnosis::Workload workload;
  workload.classifier = &observed.classifier;
  workload.server = credential.server;
  workload.credential_source = credential.source;
  workload.missing_pull_secret = observed.missing_pull_secret;
  workload.found_for = found_for(observed.image);
  workload.deployment = observed.deployment.get();
  for (const auto& replica_set : observed.replica_sets) workload.replica_sets.push_back(replica_set.get());
  for (const auto& pod : observed.pods) workload.pods.push_back(pod.get());
  workload.pod_events = &observed.pod_events;
  return workload;
}

bool is_rolled_out(const api::Deployment& deployment, const resources::Scale& scale) {
  const std::int64_t wanted = resources::wanted_replicas(scale, deployment.replicas).value_or(deployment.replicas);
  return wanted > 0 && deployment.observed_generation >= deployment.metadata.generation &&
         deployment.updated_replicas >= wanted && deployment.available_replicas >= deployment.status_replicas &&
         deployment.status_replicas == deployment.updated_replicas;
}

std::vector<std::string> needed_templates(const Observed& observed) {
  std::vector<std::string> names;
  for (const RevisionPtr& revision : observed.revisions) {
    if (!revision->marks.failure.empty() && !revision->metadata.deleting) names.push_back(revision->metadata.name);
  }
  const std::string running = observed.deployment ? observed.deployment->metadata.pod_revision : "";
  const RevisionPtr good = find_last_good(observed);
  // As long as the status says that what runs is wanted, the digest need not be computed for every pass.
  const api::Status& told = observed.classifier.status;
  const bool settled = told.observed_generation == observed.classifier.metadata.generation;
  if (names.empty() && settled && told.update_revision == running) return names;
  if (!names.empty() && good) names.push_back(good->metadata.name);
  if (find_revision(observed, running)) names.push_back(running);
  if (names.empty()) return names;
  std::erase(names, resources::pod_revision(observed.classifier).name);
  return names;
}

Rollout assess_rollout(const Observed& observed, const resources::Scale& scale,
                       const CredentialAssessment& credential) {
  const bool auto_rollback = observed.classifier.spec.rollout.auto_rollback;
  const diagnosis::Workload workload = workload_of(observed, credential);
  Rollout rollout;
  rollout.target = rollout.wanted = resources::pod_revision(observed.classifier);
  const RevisionPtr wanted = find_revision(observed, rollout.wanted.name);
  const RevisionPtr good = find_last_good(observed);
  if (good) rollout.last_good = good->metadata.name;
  rollout.last_good_revision = good;
  mark_wanted(rollout, observed, wanted, scale, workload);
  const RevisionPtr failed =
      auto_rollback ? find_failed(observed, rollout.wanted.name, rollout.marks.specification) : nullptr;
  const auto restored = observed.templates.find(rollout.last_good);
  const api::Deployment* deployment = our_deployment(observed);
  const std::string deployed = deployment == nullptr ? "" : deployment->metadata.pod_revision;
  if (failed && rollout.last_good != rollout.wanted.name && restored != observed.templates.end()) {
    rollout.target = {restored->first, restored->second};
    rollout.failure = rolled_back(failed, rollout.last_good);
  } else if (failed && !good && !deployed.empty() && deployed != rollout.wanted.name) {
    rollout.failure = rolled_back(failed, deployed);
  }
  rollout.surge = may_surge(observed, scale, workload, rollout.target.name);
  const bool complete = deployment != nullptr && is_rolled_out(*deployment, scale);
  rollout.current = complete || !good ? deployed : rollout.last_good;
  for (const RevisionPtr& revision : observed.revisions) {
    const api::RevisionMarks& marks = revision->marks;
    const bool stale = !auto_rollback || marks.specification != rollout.marks.specification;
    const bool other = revision->metadata.name != rollout.wanted.name && !revision->metadata.deleting;
    if (other && stale && !marks.failure.empty()) rollout.forgiven.push_back(revision);
  }
  rollout.outdated = outdated_revisions(observed, rollout);
  return rollout;
}

}  // namespace imageclassifier::reconciler
