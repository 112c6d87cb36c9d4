#pragma once

#include <optional>
#include <string>
#include <vector>

#include "operator/diagnosis/reasons.hpp"
#include "operator/reconciler/credential.hpp"
#include "operator/reconciler/image.hpp"
#include "operator/reconciler/observed.hpp"
#include "operator/reconciler/rollout.hpp"
#include "operator/resources/manifest.hpp"
#include "operator/resources/scale.hpp"

namespace imageclassifier::reconciler {

enum class Step {
  kCreate,       ///< POST: the object does not exist as far as we know
  kTakeManager,  ///< turn the managedFields entry that our POST left into one of server-side apply
  kScale,        ///< nothing but spec.replicas of a Deployment whose pods are left as they are
  kHandOver,     ///< leave spec.replicas, at its present value, to the autoscaler
  kApply,        ///< server-side apply on the object with `uid`
  kDelete        ///< our object with `uid` is no longer wanted
};

const char* to_string(Step step) noexcept;

struct Action {
  Step step = Step::kCreate;
  resources::Manifest manifest;
  std::string uid;
  std::string why;  ///< for the log
  /// kDelete: only this version of the object is deleted.
  std::string resource_version = {};
  /// Never decided from caches alone, see needs_live_reads(): it ends something that runs or works (a deletion, other
  /// pods or another number of them, another credential, other callers), or makes anew what was there before.
  bool needs_live = false;
  /// Left undone when the plan creates or applies a child of this kind and that could not be done.
  std::optional<resources::Kind> after = {};
};

struct Plan {
  std::vector<Action> actions;  ///< in the order in which they are to be done
  resources::Scale scale;       ///< how many pods are wanted now
  CredentialAssessment credential;
  ImageAssessment image;
  Rollout rollout;
  resources::Exposure exposure;  ///< what of spec.service and spec.networkPolicy holds now: possible_exposure()
  /// What keeps a child from being made without asking the server: a foreign object of its name.
  std::vector<diagnosis::Finding> obstacles;
  /// What the pods mount and cannot. While there is something, the pods that run are not exchanged.
  std::optional<diagnosis::Finding> unusable_reference;
  /// The Deployment is held back until the pods can pull and mount what they need, as far as is known.
  bool deployment_held = false;
};

/// The plan holds an action that caches alone must not decide. Each may be older than what it is compared with (an API
/// server that lags, a late watch line): observe live and plan again before it is carried out.
bool needs_live_reads(const Plan& plan) noexcept;

/// What is to be done so that the children are as the specification says at this time. Pure; nothing is to be done (no
/// actions) for an observation that is as wanted.
Plan make_plan(const Observed& observed, WallTime now);

}  // namespace imageclassifier::reconciler
