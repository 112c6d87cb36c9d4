#pragma once

#include <cstddef>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace imageclassifier::registry {

/// What a foreign document may make of itself: 16 bytes each and more, for text of two bytes.
inline constexpr std::size_t kMostValues = 4096;

/// Parses JSON of somebody else's without holding more of it than is asked for.
///
/// `keep` is asked for each member of an object that is kept, by its depth (1: of the document) and its key. Beyond
/// `most` values, members and elements are left out. Not JSON: a discarded value. Memory: what is kept, and a few bytes
/// for each level of nesting.
nlohmann::json parse_kept(std::string_view text, const std::function<bool(int depth, const std::string& key)>& keep,
                          std::size_t most = kMostValues);

}  // namespace imageclassifier::registry
