#include <nlohmann/json.hpp>

#include "operator/api/json_access.hpp"
#include "operator/resources/builders.hpp"

namespace imageclassifier::resources {

Manifest build_pod_disruption_budget(const api::ImageClassifier& classifier) {
  const api::AvailabilitySpec& availability = classifier.spec.availability;
  nlohmann::json object = child_skeleton(classifier, Kind::kPodDisruptionBudget, classifier.metadata.name);
  object["spec"] = {{"selector", {{"matchLabels", selector_labels(classifier)}}},
                    // A pod that does not serve must not hold up a node's drain.
                    {"unhealthyPodEvictionPolicy", "AlwaysAllow"}};
  if (!availability.min_available_json.empty()) {
    object["spec"]["minAvailable"] = api::parse_or_null(availability.min_available_json);
  } else if (!availability.max_unavailable_json.empty()) {
    object["spec"]["maxUnavailable"] = api::parse_or_null(availability.max_unavailable_json);
  } else {
    object["spec"]["maxUnavailable"] = 1;
  }
  return finish(Kind::kPodDisruptionBudget, std::move(object));
}

}  // namespace imageclassifier::resources
