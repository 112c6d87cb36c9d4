#include "operator/reconciler/kinds.hpp"

namespace imageclassifier::reconciler {

using kubernetes::GroupVersionResource;

const GroupVersionResource& image_classifiers() {
  static const GroupVersionResource kResource{"imageclassifier.dev", "v1alpha1", "imageclassifiers"};
  return kResource;
}
const GroupVersionResource& deployments() {
  static const GroupVersionResource kResource{"apps", "v1", "deployments"};
  return kResource;
}
const GroupVersionResource& controller_revisions() {
  static const GroupVersionResource kResource{"apps", "v1", "controllerrevisions"};
  return kResource;
}
const GroupVersionResource& replica_sets() {
  static const GroupVersionResource kResource{"apps", "v1", "replicasets"};
  return kResource;
}
const GroupVersionResource& pods() {
  static const GroupVersionResource kResource{"", "v1", "pods"};
  return kResource;
}
const GroupVersionResource& services() {
  static const GroupVersionResource kResource{"", "v1", "services"};
  return kResource;
}
const GroupVersionResource& secrets() {
  static const GroupVersionResource kResource{"", "v1", "secrets"};
  return kResource;
}
const GroupVersionResource& service_accounts() {
  static const GroupVersionResource kResource{"", "v1", "serviceaccounts"};
  return kResource;
}
const GroupVersionResource& config_maps() {
  static const GroupVersionResource kResource{"", "v1", "configmaps"};
  return kResource;
}
const GroupVersionResource& persistent_volume_claims() {
  static const GroupVersionResource kResource{"", "v1", "persistentvolumeclaims"};
  return kResource;
}
const GroupVersionResource& events() {
  static const GroupVersionResource kResource{"", "v1", "events"};
  return kResource;
}
const GroupVersionResource& nodes() {
  static const GroupVersionResource kResource{"", "v1", "nodes", false};
  return kResource;
}

const GroupVersionResource& collection_of(resources::Kind kind) {
  static const GroupVersionResource kNetworkPolicies{"networking.k8s.io", "v1", "networkpolicies"};
  static const GroupVersionResource kAutoscalers{"autoscaling", "v2", "horizontalpodautoscalers"};
  static const GroupVersionResource kBudgets{"policy", "v1", "poddisruptionbudgets"};
  static const GroupVersionResource kMonitors{"monitoring.coreos.com", "v1", "servicemonitors"};
  switch (kind) {
    case resources::Kind::kSecret:
      return secrets();
    case resources::Kind::kNetworkPolicy:
      return kNetworkPolicies;
    case resources::Kind::kControllerRevision:
      return controller_revisions();
    case resources::Kind::kDeployment:
      return deployments();
    case resources::Kind::kService:
      return services();
    case resources::Kind::kHorizontalPodAutoscaler:
      return kAutoscalers;
    case resources::Kind::kPodDisruptionBudget:
      return kBudgets;
    case resources::Kind::kServiceMonitor:
      return kMonitors;
  }
  return secrets();
}

}  // namespace imageclassifier::reconciler
