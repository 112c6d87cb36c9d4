#pragma once

#include <map>
#include <optional>
#include <string>

#include "common/clock.hpp"
#include "operator/diagnosis/reasons.hpp"
#include "operator/reconciler/observed.hpp"
#include "operator/registry/docker_config.hpp"

namespace imageclassifier::reconciler {

/// Whether the pods will have what they need to pull the image.
struct CredentialAssessment {
  diagnosis::Finding finding;
  bool usable = false;
  std::string server;  ///< registry of the image; empty if its name is malformed
  std::string source;  ///< "Secret acr-credentials"; empty with the node's identity
  /// What it is for the registry; nothing with the node's identity, or if it is not usable.
  std::optional<registry::Credential> credential;
  /// Content of the pull Secret that we make, in base64; only if it is known.
  std::optional<Secret> docker_config;
  std::map<std::string, std::string> annotations;  ///< of that Secret
  std::optional<WallTime> expires;                 ///< of a credential that was minted
  std::optional<WallTime> rotate;                  ///< when the next one is to be minted
};

/// Pure.
CredentialAssessment assess_credential(const Observed& observed, WallTime now);

/// People make Secrets from files; the line end of the file is not part of a password.
Secret without_line_end(const Secret& value);

}  // namespace imageclassifier::reconciler
