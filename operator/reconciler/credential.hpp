#pragma once

#include <optional>
#include <string>

#include "operator/diagnosis/reasons.hpp"
#include "operator/reconciler/observed.hpp"

namespace imageclassifier::reconciler {

/// Whether the pods will have what they need to pull the image.
struct CredentialAssessment {
  diagnosis::Finding finding;
  bool usable = false;
  std::string server;  ///< registry of the image; empty if its name is malformed
  std::string source;  ///< "Secret acr-credentials"; empty with the node's identity
  /// Content of the pull Secret that we make, in base64; only with basic and usable.
  std::optional<Secret> docker_config;
};

/// Pure.
CredentialAssessment assess_credential(const Observed& observed);

}  // namespace imageclassifier::reconciler
