#include "common/clock.hpp"

#include <cstdio>

namespace imageclassifier {
namespace {

std::string format(WallTime time, bool micro) {
  using namespace std::chrono;
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const hh_mm_ss<microseconds> clock{floor<microseconds>(time - day)};
  char text[48];
  int length = std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
                             static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                             static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                             static_cast<int>(clock.seconds().count()));
  std::string result(text, static_cast<std::size_t>(length));
  if (micro) {
    std::snprintf(text, sizeof text, ".%06d", static_cast<int>(clock.subseconds().count()));
    result += text;
  }
  return result + "Z";
}

}  // namespace

bool Clock::sleep_for(Duration duration, std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any condition;
  std::unique_lock lock(mutex);
  wait_until(condition, lock, stop, steady_now() + duration, [] { return false; });
  return !stop.stop_requested();
}

WallTime SystemClock::wall_now() const {
  return std::chrono::system_clock::now();
}
SteadyTime SystemClock::steady_now() const {
  return std::chrono::steady_clock::now();
}

bool SystemClock::wait_until(std::condition_variable_any& condition, std::unique_lock<std::mutex>& lock,
                             std::stop_token stop, SteadyTime deadline, const std::function<bool()>& predicate) {
  return condition.wait_until(lock, stop, deadline, predicate);
}

std::string format_rfc3339(WallTime time) {
  return format(time, false);
}
std::string format_rfc3339_micro(WallTime time) {
  return format(time, true);
}

}  // namespace imageclassifier
