#include "operator/diagnosis/autoscaler.hpp"

#include <array>
#include <string>

namespace imageclassifier::diagnosis {
namespace {

struct Pattern {
  std::string_view text;
  std::string_view reason;
};

// First hit wins. Words of the controller manager (horizontal.go, replica_calculator.go) and of the API server's
// aggregation layer.
constexpr std::array kPatterns = {
    Pattern{"could not find the requested resource", "MetricsMissing"},
    Pattern{"no metrics returned from resource metrics API", "AutoscalerWaiting"},
    Pattern{"did not receive metrics for", "AutoscalerWaiting"},
    Pattern{"unable to handle the request", "MetricsUnavailable"},
    Pattern{"error trying to reach service", "MetricsUnavailable"},
    Pattern{"unable to fetch metrics from resource metrics API", "MetricsUnavailable"},
};

/// Without what it says each time, and without the generated name of a pod.
std::string_view detail_of(std::string_view message) {
  constexpr std::string_view kBegin = "the HPA was unable to compute the replica count: ";
  if (message.starts_with(kBegin)) message.remove_prefix(kBegin.size());
  message = message.substr(0, message.find(" of Pod "));
  while (!message.empty() && message.back() == '.') message.remove_suffix(1);
  return message;
}

std::string_view reason_of(const api::Condition& failure) {
  if (failure.reason == "ScalingDisabled") return "AutoscalerWaiting";  // no pod: it has nothing to measure
  for (const Pattern& pattern : kPatterns) {
    if (failure.message.find(pattern.text) != std::string::npos) return pattern.reason;
  }
  return "AutoscalerFailing";
}

}  // namespace

Finding diagnose_autoscaler(std::string_view name, const std::vector<api::Condition>& conditions) {
  const auto told = [&](std::string_view reason, std::string_view message = {}) {
    Finding finding = make_finding(reason, {{"name", name}, {"detail", detail_of(message)}});
    finding.object = "HorizontalPodAutoscaler " + std::string(name);
    return finding;
  };
  const api::Condition* able = api::find_condition(conditions, "AbleToScale");
  if (able != nullptr && able->status == "False") return told("AutoscalerFailing", able->message);
  const api::Condition* active = api::find_condition(conditions, "ScalingActive");
  if (active == nullptr) return told("AutoscalerWaiting");
  if (active->status != "True") return told(reason_of(*active), active->message);
  const bool limited = api::find_condition(conditions, "ScalingLimited") != nullptr;
  return told(limited ? "AutoscalerAtMaximum" : "AutoscalerActive");
}

}  // namespace imageclassifier::diagnosis
