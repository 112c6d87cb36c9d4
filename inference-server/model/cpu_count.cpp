#include "inference-server/model/cpu_count.hpp"

#include <sched.h>

#include <algorithm>
#include <cmath>

#include "inference-server/model/cpu_quota.hpp"

namespace imageclassifier::model {

int usable_cores() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  const int cores = ::sched_getaffinity(0, sizeof mask, &mask) == 0 ? CPU_COUNT(&mask) : 1;
  return std::max(static_cast<int>(std::ceil(std::min<double>(cores, cpu_quota()))), 1);
}

}  // namespace imageclassifier::model
