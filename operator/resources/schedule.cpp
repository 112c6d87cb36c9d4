#include "operator/resources/schedule.hpp"

#include <date/tz.h>

#include <algorithm>
#include <exception>
#include <vector>

namespace imageclassifier::resources {
namespace {

using Minutes = std::chrono::minutes;
using SystemTime = date::sys_time<std::chrono::seconds>;

struct Interval {
  SystemTime begin;
  SystemTime end;
  std::optional<std::int64_t> replicas;
};

/// A window of yesterday may still be open. What repeats every week has its next change within eight days, if it has
/// one; the days after that are there for the windows that reach into these.
constexpr date::days kBefore{2};
constexpr date::days kHorizon{8};
constexpr date::days kAfter{10};

const date::time_zone* find_zone(const std::string& name) {
  try {
    return date::locate_zone(name);
  } catch (const std::exception&) {  // the library has no other way to say so
    return nullptr;
  }
}

enum class OfTwo { kEarlier, kLater };

SystemTime to_system(const date::time_zone& zone, date::local_time<Minutes> local, OfTwo choice) {
  const date::local_info info = zone.get_info(local);
  if (info.result == date::local_info::nonexistent) return info.first.end;
  const bool later = info.result == date::local_info::ambiguous && choice == OfTwo::kLater;
  return SystemTime(local.time_since_epoch() - (later ? info.second.offset : info.first.offset));
}

std::vector<Interval> intervals_around(const api::ScheduleSpec& schedule, const date::time_zone& zone, SystemTime now) {
  std::vector<Interval> intervals;
  const date::local_days today = date::floor<date::days>(zone.to_local(now));
  for (date::local_days day = today - kBefore; day <= today + kAfter; day += date::days(1)) {
    const unsigned weekday = date::weekday(day).iso_encoding() - 1;
    for (const api::ScheduleWindow& window : schedule.windows) {
      if (((window.days >> weekday) & 1U) == 0) continue;
      const Minutes start(window.start_minute), end(window.end_minute);
      const date::local_days last_day = end > start ? day : day + date::days(1);
      const Interval interval{to_system(zone, day + start, OfTwo::kEarlier),
                              to_system(zone, last_day + end, OfTwo::kLater), window.replicas};
      if (interval.begin < interval.end) intervals.push_back(interval);
    }
  }
  return intervals;
}

ScheduleState state_at(const std::vector<Interval>& intervals, SystemTime time) {
  ScheduleState state;
  for (const Interval& interval : intervals) {
    if (time < interval.begin || time >= interval.end) continue;
    state.open = true;
    state.replicas = std::max(state.replicas, interval.replicas);
  }
  return state;
}

}  // namespace

Result<ScheduleState> evaluate_schedule(const api::ScheduleSpec& schedule, WallTime now) {
  const date::time_zone* zone = find_zone(schedule.time_zone);
  if (zone == nullptr) {
    return fail(ErrorCode::kInvalidArgument, "there is no time zone \"" + schedule.time_zone + "\"");
  }
  const SystemTime second = date::floor<std::chrono::seconds>(now);
  const std::vector<Interval> intervals = intervals_around(schedule, *zone, second);
  ScheduleState state = state_at(intervals, second);
  for (const Interval& interval : intervals) {
    for (const SystemTime change : {interval.begin, interval.end}) {
      if (change <= second || change > second + kHorizon || (state.next_change && change >= *state.next_change))
        continue;
      const ScheduleState then = state_at(intervals, change);
      if (then.open != state.open || then.replicas != state.replicas) state.next_change = change;
    }
  }
  return state;
}

}  // namespace imageclassifier::resources
