#include "operator/kubernetes/watch_decoder.hpp"

#include <algorithm>

#include "common/json_scan.hpp"

namespace imageclassifier::kubernetes {
namespace {

std::optional<WatchEvent::Type> event_type(std::string_view quoted) {
  using Type = WatchEvent::Type;
  if (quoted == "\"ADDED\"") return Type::kAdded;
  if (quoted == "\"MODIFIED\"") return Type::kModified;
  if (quoted == "\"DELETED\"") return Type::kDeleted;
  if (quoted == "\"BOOKMARK\"") return Type::kBookmark;
  if (quoted == "\"ERROR\"") return Type::kError;
  return std::nullopt;
}

// An unsigned number of 64 bits.
bool is_decimal(std::string_view version) {
  return !version.empty() && version.size() <= 20 &&
         std::all_of(version.begin(), version.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

Result<WatchEvent> decode_watch_event(std::string_view line) {
  std::string_view type, object;
  const bool whole = for_each_member(line, [&](std::string_view key, std::string_view value) {
    if (key == "type") type = value;
    if (key == "object") object = value;
    return true;
  });
  if (!whole) return fail(ErrorCode::kDataLoss, "a line of the watch is not a JSON object");
  const auto known = event_type(type);
  if (!known) return fail(ErrorCode::kDataLoss, "a line of the watch has no known event type");
  WatchEvent event;
  event.type = *known;
  event.object = object;
  if (event.type == WatchEvent::Type::kError) {
    event.status = parse_status(object).value_or(Status{});
    return event;
  }
  const auto metadata = find_member(object, "metadata").value_or(std::string_view());
  event.resource_version = find_string(metadata, {"resourceVersion"});
  if (!is_decimal(event.resource_version)) {
    return fail(ErrorCode::kDataLoss, "an object of the watch has no resource version that is a decimal number");
  }
  if (event.type == WatchEvent::Type::kBookmark) {
    event.initial_events_end = find_string(metadata, {"annotations", "k8s.io/initial-events-end"}) == "true";
  }
  return event;
}

Result<ListPage> decode_list(std::string_view body, const std::function<void(std::string_view item)>& visit) {
  ListPage page;
  bool items_whole = true;
  const bool whole = for_each_member(body, [&](std::string_view key, std::string_view value) {
    if (key == "metadata") {
      page.resource_version = find_string(value, {"resourceVersion"});
      page.continue_token = find_string(value, {"continue"});
    } else if (key == "items" && value != "null") {
      items_whole = for_each_element(value, [&](std::string_view item) {
        ++page.items;
        visit(item);
        return true;
      });
    }
    return items_whole;
  });
  if (!whole || !items_whole) return fail(ErrorCode::kDataLoss, "the list is not valid JSON");
  if (!is_decimal(page.resource_version)) {
    return fail(ErrorCode::kDataLoss, "the list has no resource version that is a decimal number");
  }
  return page;
}

}  // namespace imageclassifier::kubernetes
