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

/// What it means for such a cause that the operator has found the image in its registry: a sentence, or nothing.
std::string_view although_found(std::string_view reason);

/// Whether it is the node's clock that is wrong, if the operator trusts the same certificate.
bool is_clock_of_node(const PullCause& cause);

/// Whether a registry refuses for want of the right credential, for such a reason of classify_pull_error().
bool is_refusal(std::string_view reason);

/// Whether `reason` says that the image does not come to the node.
bool is_pull_reason(std::string_view reason);

}  // namespace imageclassifier::diagnosis
