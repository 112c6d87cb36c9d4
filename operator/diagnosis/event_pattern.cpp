#include "operator/diagnosis/event_pattern.hpp"

#include <algorithm>

namespace imageclassifier::diagnosis {

const EventPattern* match(std::span<const EventPattern> patterns, const api::Event& event) {
  if (event.type != "Warning") return nullptr;
  const auto found = std::find_if(patterns.begin(), patterns.end(), [&](const EventPattern& pattern) {
    const bool meant = pattern.event_reason.empty() || pattern.event_reason == event.reason;
    return meant && event.message.find(pattern.text) != std::string::npos;
  });
  return found == patterns.end() ? nullptr : &*found;
}

}  // namespace imageclassifier::diagnosis
