#include "operator/api/time.hpp"

#include <algorithm>
#include <chrono>

namespace imageclassifier::api {
namespace {

/// Reads `count` digits at `offset`; nothing if one is not a digit.
std::optional<int> digits(std::string_view text, std::size_t offset, std::size_t count) {
  int value = 0;
  for (std::size_t i = offset; i < offset + count; ++i) {
    if (i >= text.size() || text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

}  // namespace

std::optional<WallTime> parse_rfc3339(std::string_view text) {
  if (text.size() < 20 || text.back() != 'Z' || text[4] != '-' || text[7] != '-' || text[10] != 'T' ||
      text[13] != ':' || text[16] != ':') {
    return std::nullopt;
  }
  const auto year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
  const auto hour = digits(text, 11, 2), minute = digits(text, 14, 2), second = digits(text, 17, 2);
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  const std::chrono::sys_seconds time = std::chrono::sys_days(date) + std::chrono::hours(*hour) +
                                        std::chrono::minutes(*minute) + std::chrono::seconds(*second);
  // "Never" is written as the year 9999; nanoseconds end in 2262. A margin, since callers add zones and delays.
  constexpr auto kMargin = std::chrono::days(366);
  constexpr auto kLast = std::chrono::time_point_cast<std::chrono::seconds>(WallTime::max()) - kMargin;
  constexpr auto kFirst = std::chrono::time_point_cast<std::chrono::seconds>(WallTime::min()) + kMargin;
  return WallTime(std::clamp<std::chrono::sys_seconds>(time, kFirst, kLast));
}

}  // namespace imageclassifier::api
