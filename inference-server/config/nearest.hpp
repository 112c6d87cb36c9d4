#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace imageclassifier::config {

/// The candidate that `word` was probably meant to be: the one with the fewest letters to insert, leave out, exchange
/// or swap with the next, if those are at most two and fewer than half of its letters. Of equals the first. Empty:
/// none.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

/// "; did you mean NEAREST?", or nothing.
std::string hint(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace imageclassifier::config
