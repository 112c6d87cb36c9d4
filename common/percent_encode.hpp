#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace imageclassifier {

/// Escapes everything but RFC 3986 unreserved characters.
std::string percent_encode(std::string_view text);

/// Nothing when a '%' is not followed by two hex digits.
std::optional<std::string> percent_decode(std::string_view text);

}  // namespace imageclassifier
