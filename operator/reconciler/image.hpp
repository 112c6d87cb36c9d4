#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "operator/diagnosis/reasons.hpp"
#include "operator/reconciler/credential.hpp"
#include "operator/reconciler/image_answer.hpp"
#include "operator/reconciler/observed.hpp"

namespace imageclassifier::reconciler {

/// What the registry says of spec.image, and what follows for the pods.
struct ImageAssessment {
  std::string status = "Unknown";  ///< of the condition ImageResolved
  diagnosis::Finding finding;
  /// What ImageClassifier::pinned_image is to be. It begins when the tag is resolved first and changes only with
  /// spec.image or, by spec.registry.tagRefresh, with the tag.
  std::string pinned;
  std::string digest;  ///< that the pods run; empty: not known here
  std::vector<std::string> platforms;
  std::string tag_digest;  ///< if it is another one by now
  /// New pods may be started. Not before the first answer, nor with what spec.registry.preflight Enforce keeps out.
  bool may_start = true;
  /// Why no pod can be started; it is in the way of Ready as soon as one is missing.
  bool rejected = false;
};

/// What is to be asked; nothing where there is nothing to ask, or nobody who may be.
std::optional<ImageQuestion> image_question(const Observed& observed, const CredentialAssessment& credential);

/// The platforms of an image that was found, "linux/amd64, linux/arm64"; empty: it was not, or nobody has looked.
std::string found_for(const ImageLookup& lookup);

/// The registry holds what is asked for, as `digest`, but after a rollback the image `running` runs in its place.
diagnosis::Finding resolved_not_run(const Observed& observed, const CredentialAssessment& credential,
                                    const std::string& digest, const std::string& running);

/// Pure.
ImageAssessment assess_image(const Observed& observed, const CredentialAssessment& credential);

}  // namespace imageclassifier::reconciler
