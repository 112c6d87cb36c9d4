#pragma once

namespace imageclassifier::model {

/// The cores this process may use at once: its affinity mask, cut by the quota of its cgroups (rounded up, cpu_quota),
/// at least 1. Never hardware_concurrency(), which ignores the container's quota.
int usable_cores();

}  // namespace imageclassifier::model
