#pragma once

#include <cstdint>
#include <optional>

#include "common/clock.hpp"
#include "common/result.hpp"
#include "operator/api/specification.hpp"

namespace imageclassifier::resources {

/// What a schedule says at some time.
struct ScheduleState {
  bool open = false;  ///< some window is open
  /// While open: the largest number that an open window names; nothing if none names one.
  std::optional<std::int64_t> replicas;
  /// When `open` or `replicas` change next; nothing if they never do.
  std::optional<WallTime> next_change;
  friend bool operator==(const ScheduleState&, const ScheduleState&) = default;
};

/// Evaluates the windows in their time zone, by the time zone database of the operating system (read once, then
/// cached; thread safe).
///
/// A window whose end is not after its start ends on the next day. Where clocks are put forward, a time of day that
/// does not exist counts as the first one after the gap; where they are put back, a window begins at the first and ends
/// at the second of two equal times, so that it is never shorter than it says. Windows that touch are one.
///
/// kInvalidArgument: there is no such time zone.
Result<ScheduleState> evaluate_schedule(const api::ScheduleSpec& schedule, WallTime now);

}  // namespace imageclassifier::resources
