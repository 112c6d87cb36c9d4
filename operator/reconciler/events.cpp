#include "operator/reconciler/events.hpp"

#include <string>
#include <string_view>

#include "operator/diagnosis/reasons.hpp"
#include "operator/reconciler/advice.hpp"

namespace imageclassifier::reconciler {
namespace {

using diagnosis::Outlook;
using runtime::Event;
using runtime::EventType;

struct Deed {
  const char* reason;
  const char* action;
};

std::optional<Deed> deed_of(const Action& action) {
  // They repeat what the Deployment's events say.
  if (action.manifest.kind == resources::Kind::kControllerRevision) return std::nullopt;
  switch (action.step) {
    case Step::kCreate:
      return Deed{"Created", "Create"};
    case Step::kScale:
    case Step::kApply:
      return Deed{"Updated", "Update"};
    case Step::kDelete:
      return Deed{"Deleted", "Delete"};
    case Step::kTakeManager:
    case Step::kHandOver:
      break;
  }
  return std::nullopt;
}

runtime::ObjectReference reference_to(const api::ImageClassifier& classifier) {
  const api::ObjectMeta& metadata = classifier.metadata;
  return {api::kApiVersion, api::kKind, metadata.namespace_name, metadata.name, metadata.uid};
}

runtime::ObjectReference reference_to(const resources::Manifest& child, const std::string& uid) {
  return {api_version(child.kind), to_string(child.kind), child.namespace_name, child.name, uid};
}

bool is_failure(const api::Condition& condition) {
  const diagnosis::Reason* reason = diagnosis::find_reason(condition.reason);
  return reason != nullptr && (reason->outlook == Outlook::kFailing || reason->outlook == Outlook::kStalled);
}

Event event_of(const diagnosis::Finding& finding, const api::ImageClassifier& classifier) {
  Event event;
  event.type = EventType::kWarning;
  event.reason = finding.name();
  event.action = "Reconcile";
  event.regarding = reference_to(classifier);
  event.note = finding.text();
  return event;
}

Event event_of(const api::Condition& condition, const api::ImageClassifier& classifier) {
  Event event;
  event.type = is_failure(condition) ? EventType::kWarning : EventType::kNormal;
  event.reason = condition.reason;
  event.action = "Reconcile";
  event.regarding = reference_to(classifier);
  event.note = condition.message;
  return event;
}

/// Whether an aspect's change is worth an event beside what Ready says.
bool is_news(const api::Condition* before, const api::Condition& now, const std::string& ready_reason) {
  if (before != nullptr && before->reason == now.reason && before->status == now.status) return false;
  if (now.reason == ready_reason) return false;
  if (now.reason == "TagMoved") return true;
  if (is_failure(now)) return before == nullptr || before->reason != now.reason;
  return now.status == "True" && before != nullptr && before->status != "True";
}

}  // namespace

std::optional<Event> event_of(const Action& action, const api::ImageClassifier& owner) {
  const std::optional<Deed> deed = deed_of(action);
  if (!deed) return std::nullopt;
  Event event;
  event.reason = deed->reason;
  event.action = deed->action;
  event.regarding = reference_to(owner);
  event.related = reference_to(action.manifest, action.uid);
  event.note = std::string(deed->reason) + " " + to_string(action.manifest.kind) + " " + action.manifest.name;
  event.note += action.step == Step::kCreate ? "." : ": " + action.why + ".";
  return event;
}

namespace {

/// What a rollout has come to.
std::optional<Event> outcome_of(const api::ImageClassifier& before, const api::Status& after) {
  const api::Condition* now = api::find_condition(after.conditions, "RolledBack");
  const api::Condition* known = api::find_condition(before.status.conditions, "RolledBack");
  if (now != nullptr && now->status == "True" && (known == nullptr || known->status != "True")) {
    Event event = event_of(*now, before);
    event.type = EventType::kWarning;
    event.reason = "RolledBack";
    return event;
  }
  const std::string& good = after.last_good_revision;
  if (good.empty() || good == before.status.last_good_revision) return std::nullopt;
  Event event;
  event.reason = "RolledOut";
  event.action = "Reconcile";
  event.regarding = reference_to(before);
  event.note = "Revision " + good + " is rolled out.";
  return event;
}

}  // namespace

std::vector<Event> events_of(const api::ImageClassifier& before, const api::Status& after) {
  std::vector<Event> events;
  const api::Condition* ready = api::find_condition(after.conditions, "Ready");
  for (const char* type :
       {"CredentialReady", "ImageResolved", "WorkloadAvailable", "EndpointReady", "AutoscalerActive"}) {
    const api::Condition* now = api::find_condition(after.conditions, type);
    const api::Condition* known = api::find_condition(before.status.conditions, type);
    if (now != nullptr && is_news(known, *now, ready == nullptr ? "" : ready->reason)) {
      events.push_back(event_of(*now, before));
    }
  }
  const std::optional<Event> outcome = outcome_of(before, after);
  if (outcome) events.push_back(*outcome);
  const api::Condition* was_ready = api::find_condition(before.status.conditions, "Ready");
  const bool changed = ready != nullptr && (was_ready == nullptr || was_ready->reason != ready->reason ||
                                            (was_ready->status == "True") != (ready->status == "True"));
  const bool told = outcome && ready != nullptr && outcome->note == ready->message;
  if (changed && !told) events.push_back(event_of(*ready, before));
  if (after.observed_generation != before.status.observed_generation) {
    for (const diagnosis::Finding& finding : advice(before)) events.push_back(event_of(finding, before));
  }
  return events;
}

}  // namespace imageclassifier::reconciler
