#include "operator/reconciler/plan.hpp"

#include <algorithm>

#include "operator/resources/builders.hpp"
#include "operator/resources/drift.hpp"

namespace imageclassifier::reconciler {
namespace {

using resources::Kind;
using resources::Manifest;

/// An observed child as the decision needs it.
struct Child {
  const api::ObjectMeta& metadata;
  std::string owned;  ///< JSON
};

diagnosis::Finding name_conflict(const Manifest& wanted) {
  diagnosis::Finding finding =
      diagnosis::make_finding("NameConflict", {{"kind", to_string(wanted.kind)}, {"object", wanted.name}});
  finding.object = std::string(to_string(wanted.kind)) + " " + wanted.name;
  return finding;
}

void plan_child(Plan& plan, const Observed& observed, Manifest wanted, const std::optional<Child>& child) {
  if (!child) {
    // Of a resource that was worked on before, the children may have gone with it.
    const bool made_before = observed.classifier.status.observed_generation > 0;
    plan.actions.push_back({Step::kCreate, std::move(wanted), {}, "it does not exist", {}, made_before});
    return;
  }
  const api::ObjectMeta& metadata = child->metadata;
  if (metadata.owner_uid != observed.classifier.metadata.uid) {
    plan.obstacles.push_back(name_conflict(wanted));
    return;
  }
  if (metadata.deleting) return;  // it is made anew when it is gone
  if (metadata.created_by_update) {
    plan.actions.push_back({Step::kTakeManager, wanted, metadata.uid, "its fields are ours by POST only", {}, false});
  }
  const std::string drift = resources::first_drift(wanted.body, child->owned);
  if (drift.empty()) return;
  const bool needs_live = wanted.kind != Kind::kService;
  plan.actions.push_back({Step::kApply, std::move(wanted), metadata.uid, drift + " differs", {}, needs_live});
}

void plan_pull_secret(Plan& plan, const Observed& observed) {
  if (plan.credential.docker_config) {
    std::optional<Child> child;
    if (observed.pull_secret)
      child.emplace(Child{observed.pull_secret->metadata, observed.pull_secret->owned.reveal()});
    Manifest wanted = resources::build_pull_secret(observed.classifier, *plan.credential.docker_config);
    plan_child(plan, observed, std::move(wanted), child);
    return;
  }
  const bool wanted = std::holds_alternative<api::BasicCredential>(observed.classifier.spec.auth);
  if (wanted || !observed.pull_secret || observed.pull_secret->metadata.deleting ||
      observed.pull_secret->metadata.owner_uid != observed.classifier.metadata.uid) {
    return;
  }
  Manifest unwanted;
  unwanted.kind = Kind::kSecret;
  unwanted.namespace_name = observed.classifier.metadata.namespace_name;
  unwanted.name = resources::pull_secret_name(observed.classifier);
  const api::ObjectMeta& metadata = observed.pull_secret->metadata;
  plan.actions.push_back(
      {Step::kDelete, std::move(unwanted), metadata.uid, "no pull Secret is wanted", metadata.resource_version, true});
}

}  // namespace

const char* to_string(Step step) noexcept {
  switch (step) {
    case Step::kCreate:
      return "create";
    case Step::kTakeManager:
      return "take_manager";
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

Plan make_plan(const Observed& observed) {
  Plan plan;
  plan.credential = assess_credential(observed);
  if (observed.classifier.metadata.deleting) return plan;
  const bool secret_unwanted = !std::holds_alternative<api::BasicCredential>(observed.classifier.spec.auth);
  if (!secret_unwanted) plan_pull_secret(plan, observed);
  std::optional<Child> deployment;
  if (observed.deployment) deployment.emplace(Child{observed.deployment->metadata, observed.deployment->owned.text()});
  // A pod that starts before its credential exists reports failures that are none; what runs already is kept in shape.
  if (!deployment && !plan.credential.usable) {
    plan.deployment_held = true;
  } else {
    plan_child(plan, observed, resources::build_deployment(observed.classifier), deployment);
  }
  std::optional<Child> service;
  if (observed.service) service.emplace(Child{observed.service->metadata, observed.service->owned.text()});
  // Nor does a resource that cannot run yet take an address from those that can.
  if (service || !plan.deployment_held) {
    plan_child(plan, observed, resources::build_service(observed.classifier), service);
  }
  // Last, so that no pod template names it any more.
  if (secret_unwanted) plan_pull_secret(plan, observed);
  return plan;
}

}  // namespace imageclassifier::reconciler
