#pragma once

#include <string_view>

#include "common/log.hpp"

namespace imageclassifier::log {

/// The least level that is written. Thread safe.
Level level();
/// "debug", "info", "warning" or "error", as parse_level takes them.
std::string_view to_string(Level level);

}  // namespace imageclassifier::log
