#pragma once

#include <optional>
#include <string_view>

#include "common/clock.hpp"

namespace imageclassifier::api {

/// Reads metav1.Time and MicroTime in UTC ("2026-01-31T08:15:00Z", "2026-01-31T08:15:00.123456Z"); nothing if it is
/// something else. Times that nanoseconds cannot hold (before 1678, after 2261) read as the nearest that they can.
std::optional<WallTime> parse_rfc3339(std::string_view text);

}  // namespace imageclassifier::api
