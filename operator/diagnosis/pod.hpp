#pragma once

#include <optional>
#include <string_view>

#include "operator/api/workload.hpp"
#include "operator/diagnosis/reasons.hpp"
#include "operator/diagnosis/workload.hpp"

namespace imageclassifier::diagnosis {

/// The server's own exit status for "cannot ever become ready" (EX_CONFIG of sysexits.h).
inline constexpr std::int64_t kExitNeverReady = 78;

/// The cause in one pod of `workload`; nothing if it is ready, is being deleted, or is just being started. Of a pod
/// that has ended, why.
std::optional<Finding> diagnose_pod(const Workload& workload, const api::Pod& pod);

/// Whether the image of one of its containers does not come: it is tried again and again.
bool is_pull_failing(const api::Pod& pod);

/// RolloutBlocked with the scheduler's words, if the pod would find a node once there is room.
std::optional<Finding> diagnose_room(const api::Pod& pod);

}  // namespace imageclassifier::diagnosis
