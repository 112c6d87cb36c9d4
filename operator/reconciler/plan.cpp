#include "operator/reconciler/plan.hpp"

#include <algorithm>
#include <set>

#include "operator/reconciler/access.hpp"
#include "operator/reconciler/child_finding.hpp"
#include "operator/reconciler/exposure.hpp"
#include "operator/reconciler/mounted.hpp"
#include "operator/resources/builders.hpp"
#include "operator/resources/drift.hpp"

namespace imageclassifier::reconciler {
namespace {

using resources::Kind;
using resources::Manifest;

/// An observed child as the decision needs it.
struct Present {
  const api::ObjectMeta& metadata;
  std::string owned;  ///< JSON
};

template <typename T>
std::optional<Present> present(const std::shared_ptr<const T>& child) {
  if (!child) return std::nullopt;
  return Present{child->metadata, child->owned.text()};
}

/// What pods are made only with: without their NetworkPolicy everybody would be let in.
std::optional<Kind> guard_of(Kind kind) {
  const bool lets_in = kind == Kind::kDeployment || kind == Kind::kService;
  return lets_in ? std::optional(Kind::kNetworkPolicy) : std::nullopt;
}

bool stands_in_the_way(const Plan& plan, Kind kind) {
  return std::any_of(plan.obstacles.begin(), plan.obstacles.end(), [kind](const diagnosis::Finding& obstacle) {
    return obstacle.object.starts_with(std::string(to_string(kind)) + " ");
  });
}

void plan_child(Plan& plan, const Observed& observed, Manifest wanted, const std::optional<Present>& child) {
  if (!child) {
    const std::optional<Kind> guard = guard_of(wanted.kind);
    if (guard && stands_in_the_way(plan, *guard)) return;
    // Of a resource that was worked on before, the children may have gone with it. A ServiceMonitor comes and goes with
    // its kind.
    const bool made_before = observed.classifier.status.observed_generation > 0 && wanted.kind != Kind::kServiceMonitor;
    plan.actions.push_back({Step::kCreate, std::move(wanted), {}, "it does not exist", {}, made_before, guard});
    return;
  }
  const api::ObjectMeta& metadata = child->metadata;
  if (metadata.owner_uid != observed.classifier.metadata.uid) {
    plan.obstacles.push_back(finding_about("NameConflict", wanted.kind, wanted.name));
    return;
  }
  if (metadata.deleting) return;  // it is made anew when it is gone
  if (metadata.created_by_update) {
    plan.actions.push_back({Step::kTakeManager, wanted, metadata.uid, "its fields are ours by POST only", {}, false});
  }
  // Of a revision no more is cached, nor need it be: it is called after the digest of the rest.
  const bool metadata_only = wanted.kind == Kind::kControllerRevision;
  const std::string drift = metadata_only ? resources::first_metadata_drift(wanted.body, child->owned)
                                          : resources::first_drift(wanted.body, child->owned);
  if (drift.empty()) return;
  const bool needs_live = wanted.kind != Kind::kService;
  plan.actions.push_back({Step::kApply, std::move(wanted), metadata.uid, resources::in_words(drift), {}, needs_live});
}

/// Ours goes; a foreign one stays. `why` is for the log.
void plan_removal(Plan& plan, const Observed& observed, Kind kind, const std::string& name,
                  const api::ObjectMeta& metadata, std::string why) {
  if (metadata.deleting || metadata.owner_uid != observed.classifier.metadata.uid) return;
  Manifest unwanted;
  unwanted.kind = kind;
  unwanted.namespace_name = observed.classifier.metadata.namespace_name;
  unwanted.name = name;
  plan.actions.push_back(
      {Step::kDelete, std::move(unwanted), metadata.uid, std::move(why), metadata.resource_version, true});
}

/// The pods of the last good revision, which still run or may come back, need the Secret.
bool last_good_names(const Plan& plan, const std::string& secret) {
  const auto& good = plan.rollout.last_good_revision;
  return good && ("," + good->secrets + ",").find("," + secret + ",") != std::string::npos;
}

void plan_pull_secret(Plan& plan, const Observed& observed) {
  const auto& secret = observed.pull_secret;
  if (plan.credential.docker_config) {
    std::optional<Present> child;
    if (secret) child.emplace(Present{secret->metadata, secret->owned.reveal()});
    plan_child(
        plan, observed,
        resources::build_pull_secret(observed.classifier, *plan.credential.docker_config, plan.credential.annotations),
        child);
    return;
  }
  const bool wanted = api::makes_pull_secret(observed.classifier.spec.auth);
  if (wanted || !secret) return;
  const std::string name = resources::pull_secret_name(observed.classifier);
  if (last_good_names(plan, name)) return;
  plan_removal(plan, observed, Kind::kSecret, name, secret->metadata, "no pull Secret is wanted");
}

void plan_access_secret(Plan& plan, const Observed& observed) {
  const auto& secret = observed.access_secret;
  std::optional<Present> child;
  if (secret) child.emplace(Present{secret->metadata, secret->owned.reveal()});
  plan_child(plan, observed, access_secret(observed), child);
}

/// The pods that the Deployment is to have now; nothing: those that it has. Where new ones could not start, what runs
/// keeps running, also where the strategy would end it first.
std::optional<resources::PodRevision> startable_pods(const Plan& plan, const Observed& observed) {
  const resources::PodRevision& target = plan.rollout.target;
  if (plan.rollout.failure && target.name == plan.rollout.wanted.name) return std::nullopt;
  const bool can_start = plan.credential.usable && plan.image.may_start && !plan.unusable_reference;
  const bool ours = observed.deployment && observed.deployment->metadata.owner_uid == observed.classifier.metadata.uid;
  if (can_start || plan.rollout.failure || !ours) return target;
  const std::string& running = observed.deployment->metadata.pod_revision;
  if (running == target.name) return target;
  const auto known = observed.templates.find(running);
  if (known == observed.templates.end()) return std::nullopt;
  return resources::PodRevision{known->first, known->second};
}

void plan_deployment(Plan& plan, const Observed& observed) {
  const api::ImageClassifier& classifier = observed.classifier;
  const auto& deployment = observed.deployment;
  const auto replicas = resources::wanted_replicas(
      plan.scale, deployment ? std::optional<std::int64_t>(deployment->replicas) : std::nullopt);
  const auto before = plan.actions.size();
  const auto pods = startable_pods(plan, observed);
  if (!pods) {
    if (!replicas || *replicas == deployment->replicas || deployment->metadata.deleting) return;
    plan.actions.push_back({Step::kScale,
                            resources::replicas_only(classifier, *replicas),
                            deployment->metadata.uid,
                            "spec.replicas differs",
                            {},
                            true});
    return;
  }
  plan_child(plan, observed, resources::build_deployment(classifier, replicas, *pods, plan.rollout.surge),
             present(deployment));
  // A field that is left out of an apply falls back to its default, 1, unless somebody else holds it too.
  if (replicas || plan.actions.size() == before || !deployment->metadata.owns_replicas) return;
  plan.actions.insert(plan.actions.begin() + static_cast<std::ptrdiff_t>(before),
                      {Step::kHandOver,
                       resources::replicas_only(classifier, deployment->replicas),
                       deployment->metadata.uid,
                       "the autoscaler decides on the replicas",
                       {},
                       true});
}

/// Marks before templates: see Rollout.
void plan_revisions(Plan& plan, const Observed& observed) {
  const Rollout& rollout = plan.rollout;
  std::optional<Present> wanted;
  for (const auto& revision : observed.revisions) {
    if (revision->metadata.name == rollout.wanted.name)
      wanted.emplace(Present{revision->metadata, revision->owned.text()});
  }
  plan_child(plan, observed, resources::build_revision(observed.classifier, rollout.wanted, rollout.marks), wanted);
  for (const auto& revision : rollout.forgiven) {
    const auto pod_template = observed.templates.find(revision->metadata.name);
    if (pod_template == observed.templates.end()) continue;
    api::RevisionMarks marks = revision->marks;
    marks.failure.clear();
    const resources::PodRevision pods{pod_template->first, pod_template->second};
    plan_child(plan, observed, resources::build_revision(observed.classifier, pods, marks),
               Present{revision->metadata, revision->owned.text()});
  }
}

/// From where pods of other revisions download their models, when they are made anew: of those that serve, and of the
/// one that the Deployment may come back to.
std::set<int> other_model_ports(const Observed& observed, const Rollout& rollout) {
  std::set<std::string> needed = serving_revisions(observed);
  needed.insert({rollout.last_good, rollout.target.name});
  std::set<int> ports;
  for (const auto& revision : observed.revisions) {
    if (revision->model_port != 0 && needed.contains(revision->metadata.name)) {
      ports.insert(static_cast<int>(revision->model_port));
    }
  }
  return ports;
}

std::shared_ptr<const api::Child> find_child(const Observed& observed, Kind kind) {
  const auto found = observed.optional_children.find(kind);
  return found == observed.optional_children.end() ? nullptr : found->second;
}

}  // namespace

const char* to_string(Step step) noexcept {
  switch (step) {
    case Step::kCreate:
      return "create";
    case Step::kTakeManager:
      return "take_manager";
    case Step::kScale:
      return "scale";
    case Step::kHandOver:
      return "hand_over";
    case Step::kApply:
      return "apply";
    case Step::kDelete:
      return "delete";
  }
  return "";
}

bool needs_live_reads(const Plan& plan) noexcept {
  return std::any_of(plan.actions.begin(), plan.actions.end(), [](const Action& action) { return action.needs_live; });
}

Plan make_plan(const Observed& observed, WallTime now) {
  Plan plan;
  plan.credential = assess_credential(observed, now);
  plan.image = assess_image(observed, plan.credential);
  plan.unusable_reference = unusable_reference(observed);
  plan.scale = resources::wanted_scale(observed.classifier.spec, now);
  plan.rollout = assess_rollout(observed, plan.scale, plan.credential);
  plan.exposure = possible_exposure(observed, plan.rollout);
  if (observed.classifier.metadata.deleting) return plan;
  std::vector<resources::OptionalChild> optional = resources::optional_children(
      observed.classifier, plan.exposure, plan.scale, other_model_ports(observed, plan.rollout));
  // Before anything else: an autoscaler that is to go would undo what is done to the Deployment.
  for (const auto& [kind, wanted] : optional) {
    const auto child = find_child(observed, kind);
    if (wanted || !child) continue;
    plan_removal(plan, observed, kind, observed.classifier.metadata.name, child->metadata, "it is no longer wanted");
  }
  const bool secret_wanted = api::makes_pull_secret(observed.classifier.spec.auth);
  if (secret_wanted) plan_pull_secret(plan, observed);
  const bool password_wanted = resources::makes_access_secret(observed.classifier.spec);
  if (password_wanted && !plan.unusable_reference) plan_access_secret(plan, observed);
  // A pod that starts before its credential exists reports failures that are none; nor does a resource that cannot run
  // yet take an address from those that can. What exists already is kept in shape.
  plan.deployment_held =
      !observed.deployment && (!plan.credential.usable || !plan.image.may_start || plan.unusable_reference);
  const auto plan_optional = [&](resources::OptionalChild& child) {
    const auto exists = find_child(observed, child.kind);
    if (!child.wanted || (!exists && plan.deployment_held)) return;
    if (child.kind == Kind::kServiceMonitor && !observed.serves_monitors) {
      const bool asked_for = observed.classifier.spec.monitoring.service_monitor == api::MonitoringSpec::kEnabled;
      if (asked_for)
        plan.obstacles.push_back(finding_about("ServiceMonitorKindMissing", child.kind, child.wanted->name));
      return;
    }
    plan_child(plan, observed, std::move(*child.wanted), present(exists));
  };
  for (resources::OptionalChild& child : optional) {
    if (child.kind < Kind::kDeployment) plan_optional(child);
  }
  if (!plan.deployment_held) {
    // What the wanted pods run is not known before.
    if (plan.image.may_start) plan_revisions(plan, observed);
    plan_deployment(plan, observed);
  }
  if (observed.service || !plan.deployment_held) {
    plan_child(plan, observed, resources::build_service(observed.classifier, plan.exposure.service),
               present(observed.service));
  }
  for (resources::OptionalChild& child : optional) {
    if (child.kind > Kind::kDeployment) plan_optional(child);
  }
  // Last, so that no pod template names it any more.
  if (!secret_wanted) plan_pull_secret(plan, observed);
  const std::string access = resources::access_secret_name(observed.classifier);
  if (!password_wanted && observed.access_secret && !last_good_names(plan, access)) {
    plan_removal(plan, observed, Kind::kSecret, access, observed.access_secret->metadata, "no password is wanted");
  }
  for (const auto& revision : plan.rollout.outdated) {
    plan_removal(plan, observed, Kind::kControllerRevision, revision->metadata.name, revision->metadata,
                 "the history is longer than spec.rollout.revisionHistoryLimit");
  }
  return plan;
}

}  // namespace imageclassifier::reconciler
