#pragma once

#include <span>
#include <string_view>

#include "operator/api/service.hpp"

namespace imageclassifier::diagnosis {

/// A row of a table from a component's own words to a reason. It matches a Warning that has `event_reason` (or that is
/// empty) and whose message holds `text` (which may be empty).
struct EventPattern {
  std::string_view event_reason;
  std::string_view text;
  std::string_view reason;
};

/// The first row that matches, or nullptr.
const EventPattern* match(std::span<const EventPattern> patterns, const api::Event& event);

}  // namespace imageclassifier::diagnosis
