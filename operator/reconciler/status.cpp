#include "operator/reconciler/status.hpp"

#include <algorithm>

#include "operator/reconciler/aspects.hpp"
#include "operator/reconciler/mounted.hpp"
#include "operator/registry/image_reference.hpp"
#include "operator/resources/builders.hpp"

namespace imageclassifier::reconciler {
namespace {

using diagnosis::Finding;
using diagnosis::make_finding;
using diagnosis::Outlook;

constexpr Duration kLookAgainReady = std::chrono::minutes(5);
constexpr Duration kLookAgainWaiting = std::chrono::seconds(30);
/// "Looked at again within 30 seconds", with room for the pass itself.
constexpr Duration kLookAgainFailing = std::chrono::seconds(15);

/// What breaks goes before what is still on its way; of equals the earlier in the chain credential, workload, endpoint.
const Finding* choose_blocker(const std::vector<const Aspect*>& aspects, const Aspect** from) {
  for (const bool failing : {true, false}) {
    for (const Aspect* aspect : aspects) {
      if (!aspect->blocker) continue;
      const Outlook outlook = aspect->blocker->reason->outlook;
      if (failing && outlook != Outlook::kFailing && outlook != Outlook::kStalled) continue;
      *from = aspect;
      return &*aspect->blocker;
    }
  }
  return nullptr;
}

class Conditions {
 public:
  Conditions(const api::ImageClassifier& classifier, WallTime now) : classifier_(classifier), now_(now) {}

  void add(const std::string& type, const std::string& status, std::string_view reason, std::string message) {
    api::Condition condition{
        type, status, classifier_.metadata.generation, {}, std::string(reason), std::move(message)};
    const api::Condition* before = api::find_condition(classifier_.status.conditions, type);
    condition.last_transition_time =
        before != nullptr && before->status == status ? before->last_transition_time : format_rfc3339(now_);
    list_.push_back(std::move(condition));
  }
  void add(const std::string& type, const Aspect& aspect) {
    add(type, aspect.status, aspect.finding.name(), aspect.finding.text());
  }
  std::vector<api::Condition> take() { return std::move(list_); }

 private:
  const api::ImageClassifier& classifier_;
  WallTime now_;
  std::vector<api::Condition> list_;
};

std::optional<api::Failure> last_failure(const Finding* blocker, const api::Status& before, WallTime now) {
  if (blocker == nullptr ||
      (blocker->reason->outlook != Outlook::kFailing && blocker->reason->outlook != Outlook::kStalled)) {
    return before.last_failure;
  }
  api::Failure failure{
      std::string(blocker->name()), blocker->message,   blocker->remedy,    blocker->object, blocker->pod_name,
      blocker->container_name,      blocker->exit_code, format_rfc3339(now)};
  // The same failure seen in another pod, or later, is no news.
  const auto& known = before.last_failure;
  if (known && known->reason == failure.reason && known->message == failure.message) return known;
  return failure;
}

void add_summary(Conditions& conditions, const std::optional<Finding>& none, const EndpointAspect& endpoint,
                 const Finding* blocker, const Aspect* from, bool rolled_back) {
  const std::optional<Address>& address = endpoint.address;
  if (blocker == nullptr) {
    if (none) {
      conditions.add("Ready", "True", none->name(), none->text());
    } else {
      const Finding& answer = endpoint.aspect.finding;
      std::string message = answer.name() == "AnsweringInside"
                                ? answer.message
                                : make_finding("Ready", {{"url", address ? address->endpoint.url : ""}}).text();
      if (address && address->endpoint.scope == "Internal") {
        message +=
            " The address is internal; to open it set spec.service.scope to Public and list the callers' networks "
            "in spec.service.sourceRanges, or ask for a password by spec.service.authentication.";
      }
      conditions.add("Ready", "True", "Ready", message);
    }
    const Finding stable = make_finding("Stable");
    conditions.add("Reconciling", "False", stable.name(), stable.text());
    conditions.add("Stalled", "False", stable.name(), stable.text());
    return;
  }
  const std::string status = from->status == "Unknown" ? "Unknown" : "False";
  conditions.add("Ready", status, blocker->name(), blocker->text());
  // What was rolled back is not tried again, whatever it failed of.
  const bool stalled = rolled_back || blocker->reason->outlook == Outlook::kStalled;
  const Finding stable = make_finding("Stable");
  const Finding working = make_finding("Reconciling");
  conditions.add("Reconciling", stalled ? "False" : "True", stalled ? stable.name() : blocker->name(),
                 stalled ? "Waiting does not help: see the condition Stalled." : blocker->text());
  conditions.add("Stalled", stalled ? "True" : "False",
                 !stalled      ? working.name()
                 : rolled_back ? "RolledBack"
                               : blocker->name(),
                 stalled ? blocker->text() : working.text());
}

/// What the pods of the specification run. While several digests do, because the tag has moved, it stays with the one
/// that was told before.
api::ImageStatus image_of(const Observed& observed, const Rollout& rollout) {
  const std::string& requested = observed.classifier.spec.image;
  const auto& before = observed.classifier.status.image;
  const bool known = before && before->requested == requested;
  std::string digest;
  for (const auto& replica_set : observed.replica_sets) {
    if (replica_set->metadata.pod_revision != rollout.wanted.name) continue;
    for (const auto& pod : observed.pods) {
      if (pod->metadata.owner_uid != replica_set->metadata.uid) continue;
      for (const api::ContainerStatus& container : pod->containers) {
        if (container.name != resources::kContainerName || container.image_digest.empty()) continue;
        if (known && container.image_digest == before->digest) return *before;
        if (digest.empty() || container.image_digest < digest) digest = container.image_digest;
      }
    }
  }
  if (digest.empty()) return known ? *before : api::ImageStatus{requested, {}, {}};
  const auto reference = registry::parse_image_reference(requested);
  return {requested, reference ? reference->server + "/" + reference->repository + "@" + digest : "", digest};
}

}  // namespace

Report make_report(const Observed& observed, const Plan& plan, const std::vector<Finding>& failures, WallTime now) {
  const api::ImageClassifier& classifier = observed.classifier;
  std::vector<Finding> all = plan.obstacles;
  all.insert(all.end(), failures.begin(), failures.end());
  const Aspect workload = workload_aspect(observed, plan, all);
  const Aspect credential = credential_aspect(plan, all, observed, workload);
  const EndpointAspect endpoint = endpoint_aspect(observed, plan, all, now);
  const Aspect rollback = rollback_aspect(plan.rollout);
  const Aspect others = other_children_aspect(classifier.spec.monitoring, all);
  const std::vector<const Aspect*> aspects = {&credential, &workload, &rollback, &endpoint.aspect, &others};
  const Aspect* from = nullptr;
  const Finding* blocker = choose_blocker(aspects, &from);

  Report report;
  api::Status& status = report.status;
  status.observed_generation = classifier.metadata.generation;
  status.selector = resources::selector_text(classifier);
  if (observed.deployment && observed.deployment->metadata.owner_uid == classifier.metadata.uid) {
    status.replicas = observed.deployment->status_replicas;
    status.ready_replicas = observed.deployment->ready_replicas;
  }
  if (endpoint.address) status.endpoint = endpoint.address->endpoint;
  status.image = image_of(observed, plan.rollout);
  status.model = observed.endpoint.model ? observed.endpoint.model : classifier.status.model;
  status.pull_secret_name = resources::wanted_pull_secret(classifier);
  status.access_secret_name = resources::wanted_access_secret(classifier);
  status.current_revision = plan.rollout.current;
  status.update_revision = plan.rollout.wanted.name;
  status.last_good_revision = plan.rollout.last_good;
  status.last_failure = last_failure(blocker, classifier.status, now);
  Conditions conditions(classifier, now);
  conditions.add("CredentialReady", credential);
  conditions.add("WorkloadAvailable", workload);
  conditions.add("EndpointReady", endpoint.aspect);
  if (const auto self_test = self_test_aspect(observed, plan, workload)) {
    conditions.add("SelfTestPassed", *self_test);
  }
  if (const auto autoscaler = autoscaler_aspect(observed, plan)) conditions.add("AutoscalerActive", *autoscaler);
  const std::optional<Finding> none = without_pods(plan.scale);
  const Finding suspended = none ? *none : make_finding("PodsWanted");
  conditions.add("RolledBack", rollback);
  conditions.add("Suspended", none ? "True" : "False", suspended.name(), suspended.text());
  add_summary(conditions, none, endpoint, blocker, from, from == &rollback);
  status.conditions = conditions.take();

  if (endpoint.address && status.ready_replicas > 0) {
    const Address& address = *endpoint.address;
    const std::string& url = address.probe_url.empty() ? address.inside_url : address.probe_url;
    report.probe = {url, served_certificate(observed), address.inside_url, address.way};
  }
  report.look_again = blocker == nullptr ? kLookAgainReady : kLookAgainWaiting;
  // The prober and the watches tell of every change of an endpoint; a Secret or a quota changes unseen.
  const bool told = (from == &endpoint.aspect || from == &rollback) && all.empty();
  if (blocker != nullptr && blocker->reason->outlook != Outlook::kWaiting) {
    report.look_again = told ? kLookAgainReady : kLookAgainFailing;
  }
  if (plan.scale.next_change) {
    status.next_scheduled_change = format_rfc3339(*plan.scale.next_change);
    // Not a moment before: the pass would find nothing to do.
    const Duration until = *plan.scale.next_change - now + std::chrono::milliseconds(50);
    report.look_again = std::clamp(until, Duration(std::chrono::milliseconds(50)), report.look_again);
  }
  if (endpoint.look_again) {
    report.look_again = std::min(report.look_again, *endpoint.look_again + Duration(std::chrono::seconds(1)));
  }
  return report;
}

}  // namespace imageclassifier::reconciler
