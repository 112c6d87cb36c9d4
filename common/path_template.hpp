#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace imageclassifier {

/// Matches a path as sent against "/models/{m}/infer": `{...}` stands for one or more characters but '/'; at most one
/// in a segment, where text may stand before and after it. Returns what they stand for, percent-decoded, in order;
/// nothing when the path does not match or what they stand for is not properly encoded (RFC 3986).
std::optional<std::vector<std::string>> match_path(std::string_view path_template, std::string_view path);

}  // namespace imageclassifier
