#pragma once

#include <string>
#include <string_view>

namespace imageclassifier::diagnosis {

/// What a container runtime's pull error comes down to.
struct PullCause {
  std::string_view reason;  ///< a name of the table of reasons
  std::string detail;       ///< what fills {detail}; stable, without addresses that change
};

/// Classifies the message of a waiting container (ErrImagePull, ImagePullBackOff). `has_credential` says whether the
/// pod carries a pull Secret: a bare "401" means a refused credential then, and a missing one otherwise.
///
/// The kubelet tries every credential and reports "[rpc error: ..., rpc error: ...]"; the first error that is not about
/// the anonymous try decides. A message without a cause gives ImagePullFailed.
PullCause classify_pull_error(std::string_view message, bool has_credential);

/// Whether `reason` is one that classify_pull_error() gives.
bool is_pull_reason(std::string_view reason);

}  // namespace imageclassifier::diagnosis
