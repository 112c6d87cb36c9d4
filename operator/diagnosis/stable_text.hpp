#pragma once

#include <string>
#include <string_view>

namespace imageclassifier::diagnosis {

/// What a component says of a pod without what differs from pod to pod and from try to try: generated ids (digests,
/// uids) and the pod's name become "...". Without the full stop at its end, for a sentence of ours goes on there.
std::string stable_text(std::string_view message, std::string_view pod_name);

/// For words that are kept as they are: of a digest, it matters which one it is.
std::string without_final_dot(std::string_view text);

/// "exceeded quota: q, requested: pods=1, used: pods=4, limited: pods=4" without what is used at the moment.
std::string without_usage(std::string_view text);

}  // namespace imageclassifier::diagnosis
