#pragma once

#include <set>
#include <string>

#include "operator/reconciler/observed.hpp"
#include "operator/reconciler/rollout.hpp"
#include "operator/resources/exposure.hpp"

namespace imageclassifier::reconciler {

// What callers meet follows the pods that answer them, which may be those of another revision than the wanted one:
// while it is rolled out, and for good when it was rolled back. Pure.

/// Names of the revisions of which a pod is ready.
std::set<std::string> serving_revisions(const Observed& observed);

/// What of spec.service and spec.networkPolicy holds now. Plain HTTP or TLS, and the port that goes with it, are those
/// of the revision that serves: the last good one as long as a pod of it is ready. While there are pods that would
/// answer anybody, or such ones may come back, a specification that relies on a password lets in nobody who is not let
/// in already, nor more than it could without.
resources::Exposure possible_exposure(const Observed& observed, const Rollout& rollout);

}  // namespace imageclassifier::reconciler
