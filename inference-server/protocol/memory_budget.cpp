#include "inference-server/protocol/memory_budget.hpp"

namespace imageclassifier::protocol {

bool MemoryBudget::take(std::uint64_t bytes, SteadyTime deadline) {
  std::unique_lock lock(mutex_);
  if (!clock_.wait_until(given_back_, lock, {}, deadline, [&] { return free_ >= bytes; })) return false;
  free_ -= bytes;
  return true;
}

void MemoryBudget::give_back(std::uint64_t bytes) {
  {
    const std::lock_guard lock(mutex_);
    free_ += bytes;
  }
  given_back_.notify_all();
}

}  // namespace imageclassifier::protocol
