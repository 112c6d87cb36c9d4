#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "operator/api/json_access.hpp"
#include "operator/resources/builders.hpp"

namespace imageclassifier::resources {
namespace {

/// A number of pods, or a percentage of them, as the API counts: rounded up.
std::int64_t pods_of(const std::string& number_or_share, std::int64_t replicas) {
  const std::string text = api::scalar_text(api::parse_or_null(number_or_share));
  const std::int64_t number = std::strtoll(text.c_str(), nullptr, 10);
  return text.ends_with('%') ? (std::min<std::int64_t>(number, 100) * replicas + 99) / 100 : number;
}

}  // namespace

bool forbids_eviction(const api::Spec& spec) {
  const api::AvailabilitySpec& availability = spec.availability;
  const std::int64_t replicas = unscheduled_scale(spec).replicas;
  if (replicas < 2) return false;
  if (!availability.min_available_json.empty()) return pods_of(availability.min_available_json, replicas) >= replicas;
  return !availability.max_unavailable_json.empty() && pods_of(availability.max_unavailable_json, replicas) == 0;
}

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
