#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "common/clock.hpp"

namespace imageclassifier::protocol {

/// Bytes that the pictures which are being decoded share, however many there are. Thread safe.
class MemoryBudget {
 public:
  MemoryBudget(std::uint64_t bytes, Clock& clock) : free_(bytes), clock_(clock) {}

  /// Waits until `bytes` are free and takes them; false: they were not before `deadline`.
  bool take(std::uint64_t bytes, SteadyTime deadline);
  void give_back(std::uint64_t bytes);

 private:
  std::mutex mutex_;
  std::condition_variable_any given_back_;
  std::uint64_t free_;  // under mutex_
  Clock& clock_;
};

}  // namespace imageclassifier::protocol
