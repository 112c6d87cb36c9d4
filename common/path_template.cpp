#include "common/path_template.hpp"

#include <algorithm>

#include "common/percent_encode.hpp"

namespace imageclassifier {
namespace {

std::string_view take_segment(std::string_view& path) {
  const std::string_view segment = path.substr(0, path.find('/'));
  path.remove_prefix(std::min(path.size(), segment.size() + 1));
  return segment;
}

bool match_segment(std::string_view pattern, std::string_view segment, std::vector<std::string>& values) {
  const auto open = pattern.find('{');
  if (open == std::string_view::npos) return pattern == segment;
  const std::string_view before = pattern.substr(0, open);
  const std::string_view after = pattern.substr(pattern.find('}') + 1);
  if (segment.size() <= before.size() + after.size()) return false;
  if (!segment.starts_with(before) || !segment.ends_with(after)) return false;
  auto value = percent_decode(segment.substr(before.size(), segment.size() - before.size() - after.size()));
  if (!value) return false;
  values.push_back(std::move(*value));
  return true;
}

}  // namespace

std::optional<std::vector<std::string>> match_path(std::string_view path_template, std::string_view path) {
  std::vector<std::string> values;
  if (path_template.find('{') == std::string_view::npos) {
    if (path_template != path) return std::nullopt;
    return values;
  }
  if (std::count(path_template.begin(), path_template.end(), '/') != std::count(path.begin(), path.end(), '/')) {
    return std::nullopt;
  }
  while (!path_template.empty() || !path.empty()) {
    if (!match_segment(take_segment(path_template), take_segment(path), values)) return std::nullopt;
  }
  return values;
}

}  // namespace imageclassifier
