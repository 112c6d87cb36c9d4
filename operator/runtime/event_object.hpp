#pragma once

#include <string>
#include <string_view>

#include "operator/kubernetes/request.hpp"
#include "operator/runtime/event_aggregator.hpp"

namespace imageclassifier::runtime {

/// events.k8s.io/v1, with the limits of its validation (pkg/apis/core/validation/events.go).
const kubernetes::GroupVersionResource& event_objects();

/// Who writes events.
struct EventSource {
  std::string controller = {};  ///< a qualified name: "imageclassifier-operator"
  std::string instance = {};    ///< which of its processes; at most 128 bytes are kept
};

/// That of what it is about, or "default" for cluster-scoped objects.
std::string namespace_of(const Event& event);
/// JSON of the whole object; with a series if it was seen more than once. Never fails: what is too long is cut between
/// characters, what is not UTF-8 is left out.
std::string event_object(const EventWrite& write, const EventSource& source);
/// Merge patch of the series: everything else cannot be changed.
std::string series_patch(const EventWrite& write);

/// At most `limit` bytes, whole characters; "..." stands for what was cut off.
std::string cut_text(std::string_view text, std::size_t limit);

}  // namespace imageclassifier::runtime
