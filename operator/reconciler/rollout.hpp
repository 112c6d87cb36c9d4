#pragma once

#include <optional>
#include <string>
#include <vector>

#include "operator/diagnosis/workload.hpp"
#include "operator/reconciler/credential.hpp"
#include "operator/reconciler/observed.hpp"
#include "operator/registry/image_reference.hpp"
#include "operator/resources/revision.hpp"
#include "operator/resources/scale.hpp"

namespace imageclassifier::reconciler {

/// Which pods are to run, and what becomes known of their revisions.
///
/// What a rollout has come to is marked on its ControllerRevision, and only what is marked there decides what runs. So
/// a revision that has failed is marked in one pass and left in the next: wherever the operator is killed, the new one
/// goes on from there, and nothing that has failed is ever tried twice. A mark goes when the specification says
/// something else of the pods, so that a user who comes back to it is heard.
struct Rollout {
  resources::PodRevision wanted;  ///< what the specification makes
  /// What the Deployment is to run: `wanted`, or the last good. With a `failure` and `wanted` here the last good one
  /// has been deleted, and the pods that run stay.
  resources::PodRevision target;
  api::RevisionMarks marks;  ///< what ControllerRevision `wanted` is to say
  std::string current;       ///< name of the revision that serves; empty if none is known to
  std::string last_good;     ///< name of the revision that was rolled out last; empty if none was
  std::shared_ptr<const api::Revision> last_good_revision;
  /// Why `wanted` does not run.
  std::optional<diagnosis::Finding> failure;
  bool surge = true;  ///< pods may run beyond the wanted number meanwhile, if the specification allows it
  /// Others that say what no longer holds, and those that are older than the history is long.
  std::vector<std::shared_ptr<const api::Revision>> forgiven, outdated;
};

/// Of the revisions that were rolled out, and have not failed since, the last one; null: there is none. Pure.
std::shared_ptr<const api::Revision> find_last_good(const Observed& observed);

/// What containers of the Deployment as it is, and of the revision that it may go back to, run; what is no reference of
/// an image is left out. Pure.
std::vector<registry::ImageReference> images_of_before(const Observed& observed);

/// Names of the revisions whose pod templates a decision needs, beside the wanted one: of the Deployment's, which is to
/// stay where new pods could not start; once one has failed, of the last good one, which is to run, and of failed ones,
/// which may have to be written anew. Pure.
std::vector<std::string> needed_templates(const Observed& observed);

/// Pure.
Rollout assess_rollout(const Observed& observed, const resources::Scale& scale, const CredentialAssessment& credential);

/// After a rollback the image that runs in place of the wanted one; empty if that one is to run, or it is not known.
std::string image_instead(const Observed& observed, const Rollout& rollout);

diagnosis::Workload workload_of(const Observed& observed, const CredentialAssessment& credential);

/// All wanted pods are of the Deployment's newest template, and available; false without pods.
bool is_rolled_out(const api::Deployment& deployment, const resources::Scale& scale);

}  // namespace imageclassifier::reconciler
