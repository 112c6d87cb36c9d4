#include "operator/reconciler/aspects.hpp"

#include <algorithm>
#include <array>

#include "operator/diagnosis/autoscaler.hpp"
#include "operator/diagnosis/load_balancer.hpp"
#include "operator/diagnosis/workload.hpp"
#include "operator/resources/builders.hpp"

namespace imageclassifier::reconciler {
namespace {

using diagnosis::Finding;
using diagnosis::make_finding;

Aspect blocked(std::string status, Finding finding) {
  return {std::move(status), finding, finding};
}
Aspect good(Finding finding) {
  return {"True", std::move(finding), std::nullopt};
}

constexpr const char* kLoadBalancer = "LoadBalancer";
constexpr const char* kClusterNetwork = "ClusterNetwork";

bool is_about_credential(const Finding& finding) {
  constexpr std::array<std::string_view, 6> kNames = {"CredentialMissing",       "CredentialNotAttached",
                                                      "CredentialRefused",       "InsufficientScope",
                                                      "MintedCredentialRefused", "PullSecretMissing"};
  return std::find(kNames.begin(), kNames.end(), finding.name()) != kNames.end();
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

Finding unreadable_schedule(const resources::Scale& scale) {
  return make_finding("TimeZoneInvalid", {{"detail", scale.problem}});
}

/// None is wanted and none is there, but the Deployment does not say so yet.
Aspect without_pods_yet(const Finding& none) {
  return {"True", none, make_finding("Reconciling")};
}

bool changes(const Plan& plan, resources::Kind kind) {
  return std::any_of(plan.actions.begin(), plan.actions.end(), [&](const Action& action) {
    return action.manifest.kind == kind &&
           (action.step == Step::kCreate || action.step == Step::kApply || action.step == Step::kScale);
  });
}

/// What the condition said of this address before: an operator that has just started, and has not asked yet, does not
/// doubt it.
std::optional<Aspect> known_before(const api::Status& before, const api::Endpoint& endpoint,
                                   const std::string& service) {
  const api::Condition* condition = api::find_condition(before.conditions, "EndpointReady");
  if (condition == nullptr || !before.endpoint || before.endpoint->url != endpoint.url) return std::nullopt;
  if (condition->reason == "AnsweringInside") {
    return good(diagnosis::as_told(make_finding("AnsweringInside", {{"url", endpoint.url}}), *condition));
  }
  if (condition->status == "True") return good(make_finding("Answering", {{"url", endpoint.url}}));
  if (condition->reason == "EndpointNotAsked") {
    return blocked("False", make_finding("EndpointNotAsked", {{"url", endpoint.url}}));
  }
  if (condition->reason != "EndpointUnhealthy") return std::nullopt;
  Finding finding = diagnosis::as_told(make_finding("EndpointUnhealthy", {{"url", endpoint.url}}), *condition);
  finding.object = "Service " + service;
  return blocked("False", std::move(finding));
}

Finding pending(const api::ServiceSpec& wanted, const std::string& name) {
  if (wanted.type == "ClusterIP") return make_finding("ServicePending", {{"service", name}});
  return make_finding("LoadBalancerPending", {{"service", name}});
}

/// What the status says of where the answer came from, if it speaks of this very specification.
std::string probed_from_before(const api::ImageClassifier& classifier, const api::Endpoint& endpoint) {
  const api::Status& before = classifier.status;
  const bool same = before.endpoint && before.endpoint->url == endpoint.url &&
                    before.observed_generation == classifier.metadata.generation;
  return same ? before.endpoint->probed_from : std::string();
}

/// Corrects where the answer came from. A load balancer's address that never has answered here may be one that cannot
/// be reached from inside the cluster; of one that has, silence is a failure.
Aspect probe_aspect(const Observed& observed, Address& address) {
  const std::string& url = address.endpoint.url;
  const EndpointState& state = observed.endpoint;
  const bool refused = address.probe_url.empty();
  const std::string& asked = refused ? address.inside_url : address.probe_url;
  const bool known = state.url == asked && state.way == address.way && !asked.empty();
  const auto answering_inside = [&](const std::string& why) {
    address.endpoint.probed_from = kClusterNetwork;
    return good(make_finding("AnsweringInside", {{"url", url}, {"detail", why}}));
  };
  std::string& from = address.endpoint.probed_from;
  if (refused && known && state.kind == EndpointState::Kind::kHealthy) {
    return answering_inside("it connects to no loopback, link-local, multicast or metadata address");
  }
  const Finding not_asked = make_finding("EndpointNotAsked", {{"url", url}});
  if (asked.empty() || (refused && known && state.kind == EndpointState::Kind::kUnhealthy)) {
    return blocked("False", not_asked);
  }
  if (known && state.reached) from = address.endpoint.scope == "Cluster" ? kClusterNetwork : kLoadBalancer;
  if (known && state.kind == EndpointState::Kind::kHealthy) return good(make_finding("Answering", {{"url", url}}));
  if (known && state.kind == EndpointState::Kind::kUnhealthy) {
    if (state.inside && from != kLoadBalancer) return answering_inside(state.detail);
    if (state.forbidden) return blocked("False", not_asked);
    const char* inside = state.inside ? "; in the cluster network its Service answers" : "";
    Finding finding = make_finding("EndpointUnhealthy", {{"url", url}, {"detail", state.detail + inside}});
    finding.object = "Service " + observed.classifier.metadata.name;
    return blocked("False", std::move(finding));
  }
  if (auto told = known_before(observed.classifier.status, address.endpoint, observed.classifier.metadata.name)) {
    return std::move(*told);
  }
  return blocked("Unknown", make_finding("Probing", {{"url", url}}));
}

}  // namespace

std::optional<Finding> without_pods(const resources::Scale& scale) {
  if (scale.mode == resources::Scale::Mode::kSuspended) {
    return make_finding("Suspended", {{"why", "spec.suspend is true"}});
  }
  if (scale.mode == resources::Scale::Mode::kOutside) {
    return make_finding("Suspended", {{"why", "no window of spec.schedule is open"}});
  }
  if (scale.replicas == 0) return make_finding("ScaledToZero");
  return std::nullopt;
}

Aspect workload_aspect(const Observed& observed, const Plan& plan, const std::vector<Finding>& failures) {
  const api::ImageClassifier& classifier = observed.classifier;
  std::optional<Finding> refused = failure_about(failures, "Deployment " + classifier.metadata.name);
  if (!refused) refused = failure_about(failures, "Secret " + resources::access_secret_name(classifier));
  const api::Deployment* deployment = observed.deployment.get();
  const resources::Scale& scale = plan.scale;
  const auto none = without_pods(scale);
  const bool unknown = scale.mode == resources::Scale::Mode::kUnknown;
  if (deployment == nullptr || deployment->metadata.owner_uid != classifier.metadata.uid) {
    if (refused) return blocked("False", *refused);
    if (plan.unusable_reference) return blocked("False", *plan.unusable_reference);
    if (plan.deployment_held && !plan.credential.usable) {
      const bool waiting = plan.credential.finding.reason->outlook == diagnosis::Outlook::kWaiting;
      return blocked("False", waiting ? make_finding("CredentialPending") : make_finding("CredentialNotReady"));
    }
    if (plan.deployment_held) return blocked("Unknown", make_finding("PodsStarting"));
    if (unknown) return blocked("False", unreadable_schedule(scale));
    return none ? without_pods_yet(*none) : blocked("Unknown", make_finding("PodsStarting"));
  }
  const std::int64_t wanted = resources::wanted_replicas(scale, deployment->replicas).value_or(deployment->replicas);
  const bool current = !changes(plan, resources::Kind::kDeployment) &&
                       deployment->observed_generation >= deployment->metadata.generation;
  const bool available = deployment->available_replicas >= wanted;
  const bool rolled = current && available && deployment->updated_replicas >= wanted &&
                      deployment->status_replicas == deployment->updated_replicas;
  if (refused) return {available && wanted > 0 ? "True" : "False", *refused, refused};
  if (plan.unusable_reference) {
    return {available && wanted > 0 ? "True" : "False", *plan.unusable_reference, plan.unusable_reference};
  }
  if (unknown) {
    return {available && wanted > 0 ? "True" : "False", unreadable_schedule(scale), unreadable_schedule(scale)};
  }
  if (none) {
    if (deployment->status_replicas > 0) return {"True", *none, make_finding("PodsEnding")};
    return current ? good(*none) : without_pods_yet(*none);
  }
  if (rolled && deployment->status_replicas == wanted) return good(make_finding("Available"));
  const diagnosis::Workload workload = workload_of(observed, plan.credential);
  if (const auto paused = diagnosis::diagnose_pause(workload); paused && current) {
    return {available && wanted > 0 ? "True" : "False", *paused, paused};
  }
  const auto cause = with_known_cause(diagnosis::diagnose_workload(workload), classifier.status);
  if (available && wanted > 0) {
    if (const auto room = diagnosis::diagnose_blocked(workload); room && current) return {"True", *room, room};
    const Finding rolling = make_finding("RolloutInProgress");
    return {"True", rolling, cause && current ? *cause : rolling};
  }
  return blocked("False", cause ? *cause : make_finding("PodsStarting"));
}

Aspect credential_aspect(const Plan& plan, const std::vector<Finding>& failures, const Observed& observed,
                         const Aspect& workload) {
  const std::string secret = "Secret " + resources::pull_secret_name(observed.classifier);
  if (const auto refused = failure_about(failures, secret)) return blocked("False", *refused);
  if (!plan.credential.usable) {
    const bool waiting = plan.credential.finding.reason->outlook == diagnosis::Outlook::kWaiting;
    return blocked(waiting ? "Unknown" : "False", plan.credential.finding);
  }
  if (workload.blocker && is_about_credential(*workload.blocker)) return blocked("False", *workload.blocker);
  return good(plan.credential.finding);
}

Aspect image_aspect(const Observed& observed, const Plan& plan, const Aspect& workload) {
  const ImageAssessment& image = plan.image;
  Aspect aspect{image.status, image.finding, std::nullopt};
  const std::string instead = image_instead(observed, plan.rollout);
  if (image.status == "True" && !instead.empty() && !image.digest.empty() && !instead.ends_with("@" + image.digest)) {
    aspect.finding = resolved_not_run(observed, plan.credential, image.digest, instead);
  }
  if (!image.may_start || (image.rejected && workload.blocker)) aspect.blocker = image.finding;
  return aspect;
}

EndpointAspect endpoint_aspect(const Observed& observed, const Plan& plan, const std::vector<Finding>& failures,
                               WallTime now) {
  const api::ImageClassifier& classifier = observed.classifier;
  const std::string& name = classifier.metadata.name;
  if (const auto refused = failure_about(failures, "Service " + name)) return {blocked("False", *refused), {}, {}};
  const api::Service* service = observed.service.get();
  if (service == nullptr || service->metadata.owner_uid != classifier.metadata.uid) {
    return {blocked("Unknown", pending(plan.exposure.service, name)), {}, {}};
  }
  std::optional<Address> address = address_of(classifier, plan.exposure.service, *service);
  if (address) address->endpoint.probed_from = probed_from_before(classifier, address->endpoint);
  if (const auto none = without_pods(plan.scale)) {
    return {{"Unknown", *none, {}}, address, {}};
  }
  if (!address && plan.exposure.service.type == "ClusterIP")
    return {blocked("Unknown", pending(plan.exposure.service, name)), {}, {}};
  if (!address) {
    std::vector<const api::Event*> events;
    for (const auto& event : observed.service_events) events.push_back(event.get());
    const api::Condition* before = api::find_condition(classifier.status.conditions, "EndpointReady");
    auto found = diagnosis::diagnose_load_balancer(*service, events, now, before == nullptr ? "" : before->reason);
    if (found.remembered) found.finding = diagnosis::as_told(std::move(found.finding), *before);
    return {blocked("False", std::move(found.finding)), {}, found.look_again};
  }
  if (plan.exposure.service.scope == "Internal" && address->endpoint.scope == "Public") {
    Finding finding = make_finding("EndpointPublic", {{"url", address->endpoint.url}, {"service", name}});
    finding.object = "Service " + name;
    return {blocked("False", std::move(finding)), address, {}};
  }
  const bool pods = observed.deployment && observed.deployment->ready_replicas > 0;
  if (!pods) return {blocked("False", make_finding("NoReadyPods")), address, {}};
  Aspect answer = probe_aspect(observed, *address);
  return {std::move(answer), std::move(address), {}};
}

std::optional<Aspect> self_test_aspect(const Observed& observed, const Plan& plan, const Aspect& workload) {
  const auto& self_test = observed.classifier.spec.self_test;
  if (!self_test) return std::nullopt;
  if (const auto& failure = plan.rollout.failure) {
    return Aspect{failure->name() == "SelfTestFailed" ? "False" : "Unknown", *failure, {}};
  }
  if (workload.blocker && workload.blocker->name() == "SelfTestFailed") return blocked("False", *workload.blocker);
  if (const auto none = without_pods(plan.scale)) return Aspect{"Unknown", *none, {}};
  const diagnosis::Workload all = workload_of(observed, plan.credential);
  const api::ReplicaSet* current = diagnosis::current_replica_set(all);
  const bool passed = current != nullptr && !changes(plan, resources::Kind::kDeployment) &&
                      observed.deployment->observed_generation >= observed.deployment->metadata.generation &&
                      std::any_of(all.pods.begin(), all.pods.end(), [&](const api::Pod* pod) {
                        return pod->metadata.owner_uid == current->metadata.uid && api::is_ready(*pod);
                      });
  if (!passed) return Aspect{"Unknown", make_finding("SelfTestPending"), {}};
  return good(make_finding("SelfTestPassed", {{"label", self_test->expected_label}}));
}

std::optional<Aspect> autoscaler_aspect(const Observed& observed, const Plan& plan) {
  const api::ImageClassifier& classifier = observed.classifier;
  if (!classifier.spec.autoscaling) return std::nullopt;
  if (const auto none = without_pods(plan.scale)) return Aspect{"Unknown", *none, {}};
  const auto child = observed.optional_children.find(resources::Kind::kHorizontalPodAutoscaler);
  const bool ours =
      child != observed.optional_children.end() && child->second->metadata.owner_uid == classifier.metadata.uid;
  Finding finding = diagnosis::diagnose_autoscaler(classifier.metadata.name,
                                                   ours ? child->second->conditions : std::vector<api::Condition>{});
  const diagnosis::Outlook outlook = finding.reason->outlook;
  if (outlook == diagnosis::Outlook::kGood) return good(std::move(finding));
  return Aspect{outlook == diagnosis::Outlook::kWaiting ? "Unknown" : "False", std::move(finding), std::nullopt};
}

Aspect rollback_aspect(const Plan& plan) {
  const auto& failure = plan.rollout.failure;
  if (!failure) return {"False", make_finding("NotRolledBack"), std::nullopt};
  return {"True", *failure, without_pods(plan.scale) ? std::nullopt : failure};
}

Aspect other_children_aspect(const api::MonitoringSpec& monitoring, const std::vector<Finding>& failures) {
  for (const Finding& failure : failures) {
    if (failure.name() == "ServiceMonitorKindMissing" && monitoring.service_monitor == api::MonitoringSpec::kAuto) {
      continue;
    }
    for (const resources::Kind kind : resources::kAllKinds) {
      const bool told =
          kind == resources::Kind::kSecret || kind == resources::Kind::kDeployment || kind == resources::Kind::kService;
      if (!told && failure.object.starts_with(std::string(to_string(kind)) + " ")) return blocked("False", failure);
    }
  }
  return {};
}

}  // namespace imageclassifier::reconciler
