#pragma once

#include <optional>
#include <vector>

#include "operator/api/image_classifier.hpp"
#include "operator/reconciler/plan.hpp"
#include "operator/runtime/event.hpp"

namespace imageclassifier::reconciler {

// What people are told of a pass, as data. Pure. All events are about the ImageClassifier, so that
// `kubectl describe imageclassifier NAME` tells its story; a settled resource has none.

/// "Created", "Updated" or "Deleted" for an action that was carried out; nothing for one that changes nothing that
/// people see.
std::optional<runtime::Event> event_of(const Action& action, const api::ImageClassifier& owner);

/// What has changed between the status that the resource shows (`before.status`) and the one that was written now, in
/// the words of the conditions: their reasons and messages. A failure is a Warning, all else Normal.
///
/// - Ready: every new reason, so every step on the way to it.
/// - CredentialReady, WorkloadAvailable, EndpointReady: a failure that Ready does not name already, and becoming True
///   after they were not.
/// - advice(), when a specification is seen for the first time.
/// - RolledOut, when another revision is the last good one; RolledBack, when the last good one runs again.
std::vector<runtime::Event> events_of(const api::ImageClassifier& before, const api::Status& after);

}  // namespace imageclassifier::reconciler
