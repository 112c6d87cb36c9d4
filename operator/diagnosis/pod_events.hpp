#pragma once

#include <optional>
#include <vector>

#include "operator/api/service.hpp"
#include "operator/api/workload.hpp"
#include "operator/diagnosis/reasons.hpp"

namespace imageclassifier::diagnosis {

/// Whether the pod has a node and none of its containers has been made yet: its status says ContainerCreating then,
/// whatever is wrong, and only its events say more.
bool is_being_created(const api::Pod& pod);

/// Why the containers of such a pod are not made, if its newest event says so; those of other objects are ignored. An
/// event of progress after a failure means that it is over.
std::optional<Finding> diagnose_pod_events(const api::Pod& pod, const std::vector<api::Event>& events);

}  // namespace imageclassifier::diagnosis
