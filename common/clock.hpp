#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>

namespace imageclassifier {

/// Wall time: expiry dates, timestamps in objects. May jump.
using WallTime = std::chrono::sys_time<std::chrono::nanoseconds>;
/// Steady time: back-off, deadlines, durations. Never jumps.
using SteadyTime = std::chrono::steady_clock::time_point;
using Duration = std::chrono::nanoseconds;

/// The only source of time outside SystemClock. Implementations are thread safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallTime wall_now() const = 0;
  virtual SteadyTime steady_now() const = 0;

  /// Blocks on `condition` (whose mutex `lock` holds) until `predicate()` holds, `deadline` has passed or a stop is
  /// requested; returns `predicate()`. As std::condition_variable_any::wait_until, but in this clock's time.
  virtual bool wait_until(std::condition_variable_any& condition, std::unique_lock<std::mutex>& lock,
                          std::stop_token stop, SteadyTime deadline, const std::function<bool()>& predicate) = 0;

  /// Waits for `duration` or a stop, whichever is first; returns false when stopped.
  bool sleep_for(Duration duration, std::stop_token stop);
};

/// The operating system's clocks.
class SystemClock final : public Clock {
 public:
  WallTime wall_now() const override;
  SteadyTime steady_now() const override;
  bool wait_until(std::condition_variable_any& condition, std::unique_lock<std::mutex>& lock, std::stop_token stop,
                  SteadyTime deadline, const std::function<bool()>& predicate) override;
};

/// RFC 3339 in UTC with whole seconds ("2026-01-31T08:15:00Z"), as metav1.Time prints it.
std::string format_rfc3339(WallTime time);
/// RFC 3339 in UTC with exactly six fraction digits, as metav1.MicroTime needs it.
std::string format_rfc3339_micro(WallTime time);

}  // namespace imageclassifier
