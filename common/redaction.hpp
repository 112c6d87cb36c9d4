#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace imageclassifier {

/// What is shorter is no credential, but may be part of any word.
inline constexpr std::size_t kShortestSecret = 8;

/// Puts "[redacted]" in the place of every occurrence of the secret, unless it is shorter than kShortestSecret.
void redact(std::string& text, std::string_view secret);

}  // namespace imageclassifier
