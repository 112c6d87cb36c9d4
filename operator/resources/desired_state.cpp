#include <algorithm>
#include <utility>

#include "operator/resources/builders.hpp"
#include "operator/resources/scale.hpp"

namespace imageclassifier::resources {

std::vector<OptionalChild> optional_children(const api::ImageClassifier& classifier, const Exposure& exposure,
                                             const Scale& scale, std::set<int> other_model_ports) {
  const api::Spec& spec = classifier.spec;
  std::vector<OptionalChild> children(4);
  children[0].kind = Kind::kNetworkPolicy;
  if (exposure.network_policy.enabled) {
    children[0].wanted = build_network_policy(classifier, exposure.network_policy, std::move(other_model_ports));
  }
  children[1].kind = Kind::kHorizontalPodAutoscaler;
  if (scale.mode == Scale::Mode::kAutoscaled || (scale.mode == Scale::Mode::kUnknown && scale.autoscaled)) {
    children[1].wanted = build_horizontal_pod_autoscaler(classifier);
  }
  children[2].kind = Kind::kPodDisruptionBudget;
  // With one pod a budget could only forbid every drain, or nothing.
  std::int64_t replicas = unscheduled_scale(spec).replicas;
  if (spec.schedule) {
    for (const api::ScheduleWindow& window : spec.schedule->windows)
      replicas = std::max(replicas, window.replicas.value_or(0));
  }
  if (replicas >= 2) children[2].wanted = build_pod_disruption_budget(classifier);
  children[3].kind = Kind::kServiceMonitor;
  if (spec.monitoring.service_monitor != api::MonitoringSpec::kDisabled)
    children[3].wanted = build_service_monitor(classifier, exposure.service);
  return children;
}

std::vector<Manifest> desired_state(const api::ImageClassifier& classifier) {
  Scale scale = unscheduled_scale(classifier.spec);
  if (classifier.spec.suspend) {
    scale.mode = Scale::Mode::kSuspended;
    scale.replicas = 0;
  }
  const bool autoscaled = scale.mode == Scale::Mode::kAutoscaled;
  std::vector<Manifest> manifests = {
      build_deployment(classifier, autoscaled ? std::nullopt : std::optional<std::int64_t>(scale.replicas),
                       pod_revision(classifier)),
      build_service(classifier, classifier.spec.service)};
  const std::string& monitoring = classifier.spec.monitoring.service_monitor;
  for (OptionalChild& child :
       optional_children(classifier, {classifier.spec.service, classifier.spec.network_policy}, scale)) {
    if (child.kind == Kind::kServiceMonitor && monitoring != api::MonitoringSpec::kEnabled) continue;
    if (child.wanted) manifests.push_back(std::move(*child.wanted));
  }
  std::stable_sort(manifests.begin(), manifests.end(),
                   [](const Manifest& left, const Manifest& right) { return left.kind < right.kind; });
  return manifests;
}

}  // namespace imageclassifier::resources
