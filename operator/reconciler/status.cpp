#include "operator/reconciler/status.hpp"

#include <algorithm>
#include <array>

#include "operator/diagnosis/load_balancer.hpp"
#include "operator/diagnosis/workload.hpp"
#include "operator/reconciler/endpoint.hpp"
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

/// One aspect: the status of its condition, and what stands in the way of Ready, if anything does.
struct Aspect {
  std::string status = "Unknown";
  Finding finding;
  std::optional<Finding> blocker;
};

Aspect blocked(std::string status, Finding finding) {
  return {std::move(status), finding, finding};
}
Aspect good(Finding finding) {
  return {"True", std::move(finding), std::nullopt};
}

bool is_about_credential(const Finding& finding) {
  constexpr std::array<std::string_view, 3> kNames = {"CredentialMissing", "CredentialRefused", "InsufficientScope"};
  return std::find(kNames.begin(), kNames.end(), finding.name()) != kNames.end();
}

diagnosis::Workload workload_of(const Observed& observed, const CredentialAssessment& credential) {
  diagnosis::Workload workload;
  workload.classifier = &observed.classifier;
  workload.server = credential.server;
  workload.credential_source = credential.source;
  workload.deployment = observed.deployment.get();
  for (const auto& replica_set : observed.replica_sets) workload.replica_sets.push_back(replica_set.get());
  for (const auto& pod : observed.pods) workload.pods.push_back(pod.get());
  return workload;
}

/// Kubelets before 1.32 alternate between a message with the cause and one without: the cause is kept.
std::optional<Finding> with_known_cause(std::optional<Finding> finding, const api::Status& before) {
  if (!finding || finding->name() != "ImagePullFailed" || !before.last_failure) return finding;
  const diagnosis::Reason* known = diagnosis::find_reason(before.last_failure->reason);
  const api::Condition* condition = api::find_condition(before.conditions, "WorkloadAvailable");
  if (known == nullptr || condition == nullptr || condition->reason != known->name) return finding;
  finding->reason = known;
  finding->message = before.last_failure->message;
  finding->remedy = before.last_failure->remedy;
  return finding;
}

std::optional<Finding> failure_about(const std::vector<Finding>& failures, std::string_view object) {
  for (const Finding& failure : failures) {
    if (failure.object == object) return failure;
  }
  return std::nullopt;
}

bool changes(const Plan& plan, resources::Kind kind) {
  return std::any_of(plan.actions.begin(), plan.actions.end(), [&](const Action& action) {
    return action.manifest.kind == kind && (action.step == Step::kCreate || action.step == Step::kApply);
  });
}

Aspect workload_aspect(const Observed& observed, const Plan& plan, const std::vector<Finding>& failures) {
  const api::ImageClassifier& classifier = observed.classifier;
  const std::optional<Finding> refused = failure_about(failures, "Deployment " + classifier.metadata.name);
  const api::Deployment* deployment = observed.deployment.get();
  if (deployment == nullptr || deployment->metadata.owner_uid != classifier.metadata.uid) {
    if (refused) return blocked("False", *refused);
    if (plan.deployment_held) return blocked("False", make_finding("CredentialNotReady"));
    return blocked("Unknown", make_finding("PodsStarting"));
  }
  const std::int64_t wanted = classifier.spec.replicas;
  const bool current = !changes(plan, resources::Kind::kDeployment) &&
                       deployment->observed_generation >= deployment->metadata.generation;
  const bool available = deployment->available_replicas >= wanted;
  const bool rolled = current && available && deployment->updated_replicas >= wanted &&
                      deployment->status_replicas == deployment->updated_replicas;
  if (refused) return {available && wanted > 0 ? "True" : "False", *refused, refused};
  if (wanted == 0 && current && deployment->status_replicas == 0) return good(make_finding("ScaledToZero"));
  if (rolled && deployment->status_replicas == wanted) return good(make_finding("Available"));
  const auto cause =
      with_known_cause(diagnosis::diagnose_workload(workload_of(observed, plan.credential)), classifier.status);
  if (available && wanted > 0) {
    const Finding rolling = make_finding("RolloutInProgress");
    return {"True", rolling, cause && current ? *cause : rolling};
  }
  return blocked("False", cause ? *cause : make_finding("PodsStarting"));
}

Aspect credential_aspect(const Plan& plan, const std::vector<Finding>& failures, const Observed& observed,
                         const Aspect& workload) {
  const std::string secret = "Secret " + resources::pull_secret_name(observed.classifier);
  if (const auto refused = failure_about(failures, secret)) return blocked("False", *refused);
  if (!plan.credential.usable) return blocked("False", plan.credential.finding);
  if (workload.blocker && is_about_credential(*workload.blocker)) return blocked("False", *workload.blocker);
  return good(plan.credential.finding);
}

/// The finding with the message that the condition shows for the same reason: what is no news is not told in other
/// words.
Finding as_told(Finding finding, const api::Condition& condition) {
  const std::size_t remedy = finding.remedy.empty() ? std::string::npos : condition.message.rfind(finding.remedy);
  if (remedy != std::string::npos && remedy > 0) finding.message = condition.message.substr(0, remedy - 1);
  return finding;
}

/// What the condition said of this address before: an operator that has just started, and has not asked yet, does not
/// doubt it.
std::optional<Aspect> known_before(const api::Status& before, const api::Endpoint& endpoint,
                                   const std::string& service) {
  const api::Condition* condition = api::find_condition(before.conditions, "EndpointReady");
  if (condition == nullptr || !before.endpoint || before.endpoint->url != endpoint.url) return std::nullopt;
  if (condition->status == "True") return good(make_finding("Answering", {{"url", endpoint.url}}));
  if (condition->reason != "EndpointUnhealthy") return std::nullopt;
  Finding finding = as_told(make_finding("EndpointUnhealthy", {{"url", endpoint.url}}), *condition);
  finding.object = "Service " + service;
  return blocked("False", std::move(finding));
}

Aspect probe_aspect(const Observed& observed, const Address& address) {
  const std::string& url = address.endpoint.url;
  const EndpointState& state = observed.endpoint;
  const bool known = state.url == address.probe_url && !address.probe_url.empty();
  if (known && state.kind == EndpointState::Kind::kHealthy) return good(make_finding("Answering", {{"url", url}}));
  if (known && state.kind == EndpointState::Kind::kUnhealthy) {
    Finding finding = make_finding("EndpointUnhealthy", {{"url", url}, {"detail", state.detail}});
    finding.object = "Service " + observed.classifier.metadata.name;
    return blocked("False", std::move(finding));
  }
  if (address.probe_url.empty()) {
    return blocked("False",
                   make_finding("EndpointUnhealthy",
                                {{"url", url}, {"detail", "the operator does not ask addresses of this kind"}}));
  }
  if (auto told = known_before(observed.classifier.status, address.endpoint, observed.classifier.metadata.name)) {
    return std::move(*told);
  }
  return blocked("Unknown", make_finding("Probing", {{"url", url}}));
}

struct EndpointAspect {
  Aspect aspect;
  std::optional<Address> address;
  std::optional<Duration> look_again;
};

EndpointAspect endpoint_aspect(const Observed& observed, const std::vector<Finding>& failures, WallTime now) {
  const api::ImageClassifier& classifier = observed.classifier;
  const std::string& name = classifier.metadata.name;
  if (const auto refused = failure_about(failures, "Service " + name)) return {blocked("False", *refused), {}, {}};
  const api::Service* service = observed.service.get();
  if (service == nullptr || service->metadata.owner_uid != classifier.metadata.uid) {
    return {blocked("Unknown", make_finding("LoadBalancerPending", {{"service", name}})), {}, {}};
  }
  const std::optional<Address> address = address_of(classifier, *service);
  if (!address) {
    std::vector<const api::Event*> events;
    for (const auto& event : observed.service_events) events.push_back(event.get());
    const api::Condition* before = api::find_condition(classifier.status.conditions, "EndpointReady");
    auto found = diagnosis::diagnose_load_balancer(*service, events, now, before == nullptr ? "" : before->reason);
    if (found.remembered) found.finding = as_told(std::move(found.finding), *before);
    return {blocked("False", std::move(found.finding)), {}, found.look_again};
  }
  if (classifier.spec.replicas == 0) return {{"Unknown", make_finding("EndpointNotWanted"), {}}, address, {}};
  const bool pods = observed.deployment && observed.deployment->ready_replicas > 0;
  if (!pods) return {blocked("False", make_finding("NoReadyPods")), address, {}};
  return {probe_aspect(observed, *address), address, {}};
}

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

void add_summary(Conditions& conditions, const Observed& observed, const std::optional<Address>& address,
                 const Finding* blocker, const Aspect* from) {
  if (blocker == nullptr) {
    if (observed.classifier.spec.replicas == 0) {
      conditions.add("Ready", "True", "ScaledToZero", make_finding("ScaledToZero").text());
    } else {
      std::string message = make_finding("Ready", {{"url", address ? address->endpoint.url : ""}}).text();
      if (address && address->endpoint.scope == "Internal") {
        message +=
            " The address is internal; to open it set spec.service.scope to Public and list the callers' networks "
            "in spec.service.sourceRanges.";
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
  const bool stalled = blocker->reason->outlook == Outlook::kStalled;
  const Finding stable = make_finding("Stable");
  const Finding working = make_finding("Reconciling");
  conditions.add("Reconciling", stalled ? "False" : "True", stalled ? stable.name() : blocker->name(),
                 stalled ? "Waiting does not help: see the condition Stalled." : blocker->text());
  conditions.add("Stalled", stalled ? "True" : "False", stalled ? blocker->name() : working.name(),
                 stalled ? blocker->text() : working.text());
}

}  // namespace

Report make_report(const Observed& observed, const Plan& plan, const std::vector<Finding>& failures, WallTime now) {
  const api::ImageClassifier& classifier = observed.classifier;
  std::vector<Finding> all = plan.obstacles;
  all.insert(all.end(), failures.begin(), failures.end());
  const Aspect workload = workload_aspect(observed, plan, all);
  const Aspect credential = credential_aspect(plan, all, observed, workload);
  const EndpointAspect endpoint = endpoint_aspect(observed, all, now);
  const std::vector<const Aspect*> aspects = {&credential, &workload, &endpoint.aspect};
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
  status.model = observed.endpoint.model ? observed.endpoint.model : classifier.status.model;
  status.pull_secret_name = resources::wanted_pull_secret(classifier);
  status.last_failure = last_failure(blocker, classifier.status, now);
  Conditions conditions(classifier, now);
  conditions.add("CredentialReady", credential);
  conditions.add("WorkloadAvailable", workload);
  conditions.add("EndpointReady", endpoint.aspect);
  add_summary(conditions, observed, endpoint.address, blocker, from);
  status.conditions = conditions.take();

  if (endpoint.address && status.ready_replicas > 0) report.probe_url = endpoint.address->probe_url;
  report.look_again = blocker == nullptr ? kLookAgainReady : kLookAgainWaiting;
  // The prober and the watches tell of every change of an endpoint; a Secret or a quota changes unseen.
  const bool told = from == &endpoint.aspect && all.empty();
  if (blocker != nullptr && blocker->reason->outlook != Outlook::kWaiting) {
    report.look_again = told ? kLookAgainReady : kLookAgainFailing;
  }
  if (endpoint.look_again) {
    report.look_again = std::min(report.look_again, *endpoint.look_again + Duration(std::chrono::seconds(1)));
  }
  return report;
}

}  // namespace imageclassifier::reconciler
