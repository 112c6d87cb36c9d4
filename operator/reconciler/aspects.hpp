#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/clock.hpp"
#include "operator/diagnosis/reasons.hpp"
#include "operator/reconciler/endpoint.hpp"
#include "operator/reconciler/observed.hpp"
#include "operator/reconciler/plan.hpp"
#include "operator/resources/scale.hpp"

namespace imageclassifier::reconciler {

// What the conditions of a resource tell, each from its own part of the observation. Pure. `failures` are the obstacles
// of the plan and the findings of actions that the server refused.

/// One aspect: the status of its condition, and what stands in the way of Ready, if anything does.
struct Aspect {
  std::string status = "Unknown";
  diagnosis::Finding finding;
  std::optional<diagnosis::Finding> blocker;
};

struct EndpointAspect {
  Aspect aspect;
  std::optional<Address> address;
  std::optional<Duration> look_again;
};

/// Why no pod is wanted; nothing if some are.
std::optional<diagnosis::Finding> without_pods(const resources::Scale& scale);

Aspect workload_aspect(const Observed& observed, const Plan& plan, const std::vector<diagnosis::Finding>& failures);
Aspect credential_aspect(const Plan& plan, const std::vector<diagnosis::Finding>& failures, const Observed& observed,
                         const Aspect& workload);
/// Not in the way of Ready while the pods that are wanted run: what they pulled they have.
Aspect image_aspect(const Observed& observed, const Plan& plan, const Aspect& workload);
EndpointAspect endpoint_aspect(const Observed& observed, const Plan& plan,
                               const std::vector<diagnosis::Finding>& failures, WallTime now);
/// Nothing without spec.selfTest. Always of the wanted revision: once that has failed, its failure, whatever runs in
/// its place. What stands in the way is the workload's to tell.
std::optional<Aspect> self_test_aspect(const Observed& observed, const Plan& plan, const Aspect& workload);
/// Nothing without spec.autoscaling. Never in the way of Ready: as many pods as before serve.
std::optional<Aspect> autoscaler_aspect(const Observed& observed, const Plan& plan);
/// True, and in the way of Ready, while the last good revision runs in place of the wanted one. Where no pod is wanted
/// none is missed.
Aspect rollback_aspect(const Plan& plan);
/// Of the children that have no condition of their own; its finding is empty if nothing is wrong with them.
Aspect other_children_aspect(const api::MonitoringSpec& monitoring, const std::vector<diagnosis::Finding>& failures);

}  // namespace imageclassifier::reconciler
