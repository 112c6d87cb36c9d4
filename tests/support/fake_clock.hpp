#pragma once

#include <condition_variable>
#include <mutex>
#include <vector>

#include "common/clock.hpp"

namespace imageclassifier::testing {

/// A clock that stands still until the test moves it. Starts at 2026-01-01T00:00:00Z. Thread safe.
///
/// In automatic mode a wait whose condition does not hold ends at once, with the clock moved to its deadline: for code
/// under test that has one thread and sleeps between attempts. `waits()` tells how long it would have slept.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(bool automatic = false) : automatic_(automatic) {}

  WallTime wall_now() const override {
    std::lock_guard hold(mutex_);
    return WallTime(std::chrono::seconds(1767225600)) + elapsed_;
  }
  SteadyTime steady_now() const override {
    std::lock_guard hold(mutex_);
    return now();
  }

  bool wait_until(std::condition_variable_any& condition, std::unique_lock<std::mutex>& lock, std::stop_token stop,
                  SteadyTime deadline, const std::function<bool()>& predicate) override {
    if (automatic_) return jump(stop, deadline, predicate);
    enter();
    // Waiters look at the clock every millisecond of real time; moving it needs no knowledge of who waits.
    while (!predicate() && steady_now() < deadline && !stop.stop_requested()) {
      condition.wait_for(lock, stop, std::chrono::milliseconds(1), predicate);
    }
    leave();
    return predicate();
  }

  void advance(Duration duration) {
    std::lock_guard hold(mutex_);
    elapsed_ += duration;
  }

  /// Blocks until `count` threads wait on this clock.
  void wait_for_waiters(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_ >= count; });
  }

  /// Automatic mode: the lengths of all waits so far.
  std::vector<Duration> waits() const {
    std::lock_guard hold(mutex_);
    return waits_;
  }

 private:
  SteadyTime now() const { return SteadyTime(std::chrono::hours(1000)) + elapsed_; }

  bool jump(const std::stop_token& stop, SteadyTime deadline, const std::function<bool()>& predicate) {
    if (predicate() || stop.stop_requested()) return predicate();
    {
      std::lock_guard hold(mutex_);
      if (deadline > now()) {
        waits_.push_back(deadline - now());
        elapsed_ += deadline - now();
      }
    }
    return predicate();
  }
  void enter() {
    std::lock_guard hold(mutex_);
    ++waiting_;
    changed_.notify_all();
  }
  void leave() {
    std::lock_guard hold(mutex_);
    --waiting_;
  }

  const bool automatic_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Duration elapsed_{};
  int waiting_ = 0;
  std::vector<Duration> waits_;
};

}  // namespace imageclassifier::testing
