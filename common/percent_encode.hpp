#pragma once

#include <string>
#include <string_view>

namespace imageclassifier {

/// Escapes everything but RFC 3986 unreserved characters.
std::string percent_encode(std::string_view text);

}  // namespace imageclassifier
