#include "inference-server/model/cpu_quota.hpp"

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

namespace imageclassifier::model {
namespace {

namespace files = std::filesystem;

constexpr double kUnlimited = std::numeric_limits<double>::infinity();

double first_number(const files::path& file) {
  std::ifstream in(file);
  double value = 0;
  return in >> value ? value : 0;
}

/// In cores. "max", -1 and a missing file are no quota.
double quota_of(const files::path& folder, bool v2) {
  double quota = 0;
  double period = 0;
  if (v2) {
    std::ifstream file(folder / "cpu.max");
    file >> quota >> period;
  } else {
    quota = first_number(folder / "cpu.cfs_quota_us");
    period = first_number(folder / "cpu.cfs_period_us");
  }
  return quota > 0 && period > 0 ? quota / period : kUnlimited;
}

/// `path` as the kernel sees it: in a container its beginning may be out of sight, and the mount is the cgroup itself.
double smallest_quota(const files::path& mount, files::path path, bool v2) {
  double smallest = quota_of(mount, v2);
  for (path = path.relative_path(); !path.empty(); path = path.parent_path()) {
    smallest = std::min(smallest, quota_of(mount / path, v2));
  }
  return smallest;
}

}  // namespace

double cpu_quota(const files::path& cgroups, const files::path& own) {
  double smallest = kUnlimited;
  // Lines of ID:CONTROLLERS:PATH; version 2 names no controllers.
  std::ifstream file(own);
  for (std::string line; std::getline(file, line);) {
    const auto begin = line.find(':');
    const auto end = begin == std::string::npos ? begin : line.find(':', begin + 1);
    if (end == std::string::npos) continue;
    const std::string controllers = "," + line.substr(begin + 1, end - begin - 1) + ",";
    const files::path path = line.substr(end + 1);
    if (controllers == ",,") {
      smallest = std::min(smallest, smallest_quota(cgroups, path, true));
    } else if (controllers.find(",cpu,") != std::string::npos) {
      smallest = std::min(smallest, smallest_quota(cgroups / "cpu", path, false));
    }
  }
  return smallest;
}

}  // namespace imageclassifier::model
