#pragma once

#include <filesystem>

namespace imageclassifier::model {

/// The smallest CPU quota, in cores, of this process's cgroup and of those above; infinity without one. Cgroup v2
/// (cpu.max) and v1 (cpu.cfs_quota_us), see cgroups(7). `cgroups` is where they are mounted, `own` says which are this
/// process's; what is not there limits nothing.
double cpu_quota(const std::filesystem::path& cgroups = "/sys/fs/cgroup",
                 const std::filesystem::path& own = "/proc/self/cgroup");

}  // namespace imageclassifier::model
