#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "operator/api/image_classifier.hpp"
#include "operator/api/revision.hpp"
#include "operator/resources/manifest.hpp"

namespace imageclassifier::resources {

/// A pod template and the name of the ControllerRevision that holds it.
struct PodRevision {
  std::string name;           ///< "<resource>-<digest of the template>"
  std::string template_json;  ///< spec.template of the Deployment
};

/// The revision that the specification makes. The name is the template's own digest: whatever changes the pods makes
/// another revision, also a newer operator that builds another template of the same specification.
PodRevision pod_revision(const api::ImageClassifier& classifier);

/// Digest of what the user says of the pods: all in which the template differs from that of an empty specification,
/// both built by this operator. What every resource gets, a newer operator's default too, is in both and does not
/// count, so that an operator that is updated does not take a specification that has failed for another one. (A field
/// of the specification would have to be listed here by hand, and one that was forgotten would never be rolled out.)
std::string specification_digest(const api::ImageClassifier& classifier);

/// What the containers of a pod template run, init containers too; each once, sorted, with commas between them.
std::string images_of(const nlohmann::json& pod_template);

/// Names of Secrets; empty: none.
struct UsedSecrets {
  std::string pull;    ///< the first of imagePullSecrets
  std::string access;  ///< user name and password of the callers
};
/// Those that pods of the revision use.
UsedSecrets used_secrets(const PodRevision& revision);

/// The ControllerRevision.
Manifest build_revision(const api::ImageClassifier& classifier, const PodRevision& revision,
                        const api::RevisionMarks& marks);

}  // namespace imageclassifier::resources
