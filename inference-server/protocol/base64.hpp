#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace imageclassifier::protocol {

/// Standard base64 with padding (RFC 4648, 4), strictly: no line ends, no other characters, no set bits in what is
/// left over.
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace imageclassifier::protocol
