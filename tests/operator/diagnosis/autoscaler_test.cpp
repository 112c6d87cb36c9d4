#include "operator/diagnosis/autoscaler.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "operator/api/child.hpp"

using namespace imageclassifier;
using namespace imageclassifier::diagnosis;

namespace {

/// Through the decoder, which keeps what this diagnosis reads.
Finding diagnose(const std::string& conditions) {
  return diagnose_autoscaler("pets",
                             api::decode_child(R"({"status": {"conditions": [)" + conditions + "]}})")->conditions);
}

std::string inactive(const std::string& message) {
  return R"({"type": "AbleToScale", "status": "True", "reason": "SucceededGetScale", "message": "x"},
            {"type": "ScalingActive", "status": "False", "reason": "FailedGetContainerResourceMetric", "message": ")" +
         message + R"("})";
}

const std::string kUnable =
    "the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics for "
    "resource cpu: ";
const std::string kActive = R"({"type": "ScalingActive", "status": "True", "reason": "ValidMetricFound"})";

}  // namespace

TEST_CASE("an autoscaler that does not act is explained by the words of its conditions") {
  const std::pair<std::string, const char*> cases[] = {
      {kUnable + "unable to fetch metrics from resource metrics API: the server could not find the requested resource "
                 "(get pods.metrics.k8s.io)",
       "MetricsMissing"},
      {kUnable + "unable to fetch metrics from resource metrics API: the server is currently unable to handle the "
                 "request (get pods.metrics.k8s.io)",
       "MetricsUnavailable"},
      {kUnable + "unable to fetch metrics from resource metrics API: pods.metrics.k8s.io is forbidden: User x cannot "
                 "list resource",
       "MetricsUnavailable"},
      {kUnable + "no metrics returned from resource metrics API", "AutoscalerWaiting"},
      {"the HPA was unable to compute the replica count: failed to get cpu utilization: did not receive metrics for "
       "targeted pods (pods might be unready)",
       "AutoscalerWaiting"},
      {"the HPA was unable to compute the replica count: failed to get cpu utilization: missing request for cpu in "
       "container server of Pod pets-6d4b75cb6d-x2x5t",
       "AutoscalerFailing"},
  };
  for (const auto& [message, reason] : cases) {
    INFO(message);
    const Finding finding = diagnose(inactive(message));
    CHECK(finding.name() == reason);
    CHECK(finding.object == "HorizontalPodAutoscaler pets");
    CHECK(finding.text().find("x2x5t") == std::string::npos);
  }
  CHECK(diagnose(inactive(cases[0].first)).text().find("metrics-server") != std::string::npos);
}

TEST_CASE("an autoscaler that may not scale says so, and one that nothing is known of waits") {
  CHECK(
      diagnose(R"({"type": "AbleToScale", "status": "False", "reason": "FailedGetScale", "message": "gone"})").name() ==
      "AutoscalerFailing");
  CHECK(diagnose("").name() == "AutoscalerWaiting");
  CHECK(
      diagnose(R"({"type": "ScalingActive", "status": "False", "reason": "ScalingDisabled", "message": "0"})").name() ==
      "AutoscalerWaiting");
}

TEST_CASE("an autoscaler that acts says when more than the maximum is wanted") {
  CHECK(diagnose(kActive).name() == "AutoscalerActive");
  CHECK(diagnose(kActive + R"(, {"type": "ScalingLimited", "status": "True", "reason": "TooManyReplicas"})").name() ==
        "AutoscalerAtMaximum");
  CHECK(diagnose(kActive + R"(, {"type": "ScalingLimited", "status": "True", "reason": "TooFewReplicas"})").name() ==
        "AutoscalerActive");
}
