#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace imageclassifier {

/// What is shorter is no credential, but may be part of any word.
inline constexpr std::size_t kShortestSecret = 8;

/// Puts "[redacted]" in the place of every occurrence of the secret, unless it is shorter than kShortestSecret.
void redact(std::string& text, std::string_view secret);

/// What is shorter may be in any text by chance.
inline constexpr std::size_t kShortestPart = 16;

/// Puts "[redacted]" in the place of everything of kShortestPart characters or more that the text has in common with
/// the secret; a shorter secret is redacted as a whole.
void redact_parts(std::string& text, std::string_view secret);

}  // namespace imageclassifier
