#include <nlohmann/json.hpp>

#include "operator/resources/builders.hpp"

namespace imageclassifier::resources {

Manifest build_horizontal_pod_autoscaler(const api::ImageClassifier& classifier) {
  const api::AutoscalingSpec autoscaling = classifier.spec.autoscaling.value_or(api::AutoscalingSpec{});
  nlohmann::json object = child_skeleton(classifier, Kind::kHorizontalPodAutoscaler, classifier.metadata.name);
  object["spec"] = {
      {"scaleTargetRef",
       {{"apiVersion", api_version(Kind::kDeployment)},
        {"kind", to_string(Kind::kDeployment)},
        {"name", classifier.metadata.name}}},
      {"minReplicas", autoscaling.min_replicas},
      {"maxReplicas", autoscaling.max_replicas},
      // Of the server's container alone: an injected sidecar that idles would hide its load.
      {"metrics",
       {{{"type", "ContainerResource"},
         {"containerResource",
          {{"name", "cpu"},
           {"container", kContainerName},
           {"target", {{"type", "Utilization"}, {"averageUtilization", autoscaling.target_cpu_percentage}}}}}}}}};
  if (autoscaling.scale_down_stabilization_seconds) {
    object["spec"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"] =
        *autoscaling.scale_down_stabilization_seconds;
  }
  return finish(Kind::kHorizontalPodAutoscaler, std::move(object));
}

}  // namespace imageclassifier::resources
