#pragma once

#include <condition_variable>
#include <mutex>
#include <stop_token>

#include "common/clock.hpp"

namespace imageclassifier::kubernetes {

/// Lets at most `count` requests through at once. Thread safe.
class RequestSlots {
 public:
  explicit RequestSlots(int count) : free_(count) {}

  /// Holds one slot, or none, until its end.
  class Slot {
   public:
    explicit Slot(RequestSlots* slots) : slots_(slots) {}
    Slot(Slot&& other) noexcept : slots_(other.slots_) { other.slots_ = nullptr; }
    Slot(const Slot&) = delete;
    ~Slot() {
      if (slots_ != nullptr) slots_->release();
    }
    explicit operator bool() const { return slots_ != nullptr; }

   private:
    RequestSlots* slots_;
  };

  /// Waits for a slot; without one if `deadline` passes or `stop` is requested first.
  Slot acquire(Clock& clock, SteadyTime deadline, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    if (!clock.wait_until(freed_, lock, stop, deadline, [this] { return free_ > 0; })) return Slot(nullptr);
    --free_;
    return Slot(this);
  }

 private:
  void release() {
    std::lock_guard hold(mutex_);
    ++free_;
    freed_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable_any freed_;
  int free_;
};

}  // namespace imageclassifier::kubernetes
