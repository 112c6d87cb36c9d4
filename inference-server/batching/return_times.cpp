#include "inference-server/batching/return_times.hpp"

#include <algorithm>

namespace imageclassifier::batching {

Duration ReturnTimes::next(std::size_t items, Duration queue, Duration each, SteadyTime now) {
  // Whoever is told whole seconds comes after one at the earliest.
  const Duration least = std::chrono::seconds(1);
  const SteadyTime latest = now + std::min<Duration>(std::max(queue, least) * kMostQueues, kLongest);
  const SteadyTime mine = std::min(std::max(now + queue, given_until_), latest);
  given_until_ = std::min(mine + each * static_cast<std::int64_t>(items), latest);
  return mine - now;
}

}  // namespace imageclassifier::batching
