#include "operator/runtime/event_object.hpp"

#include <nlohmann/json.hpp>

namespace imageclassifier::runtime {
namespace {

using nlohmann::json;

constexpr std::size_t kLongestWord = 128;
constexpr std::size_t kLongestNote = 1024;

json reference_object(const ObjectReference& reference) {
  json object = {{"apiVersion", reference.api_version}, {"kind", reference.kind}, {"name", reference.name}};
  if (!reference.namespace_name.empty()) object["namespace"] = reference.namespace_name;
  if (!reference.uid.empty()) object["uid"] = reference.uid;
  return object;
}

json series_object(const EventWrite& write) {
  return {{"count", write.count}, {"lastObservedTime", format_rfc3339_micro(write.last_seen)}};
}

std::string text_of(const json& object) {
  return object.dump(-1, ' ', false, json::error_handler_t::ignore);
}

}  // namespace

const kubernetes::GroupVersionResource& event_objects() {
  static const kubernetes::GroupVersionResource kResource{"events.k8s.io", "v1", "events"};
  return kResource;
}

std::string namespace_of(const Event& event) {
  return event.regarding.namespace_name.empty() ? "default" : event.regarding.namespace_name;
}

std::string event_object(const EventWrite& write, const EventSource& source) {
  const Event& event = write.event;
  json object = {{"apiVersion", "events.k8s.io/v1"},
                 {"kind", "Event"},
                 {"metadata", {{"name", write.name}, {"namespace", namespace_of(event)}}},
                 {"eventTime", format_rfc3339_micro(write.first_seen)},
                 {"type", event.type == EventType::kNormal ? "Normal" : "Warning"},
                 {"reason", cut_text(event.reason, kLongestWord)},
                 {"action", cut_text(event.action, kLongestWord)},
                 {"reportingController", source.controller},
                 {"reportingInstance", cut_text(source.instance, kLongestWord)},
                 {"regarding", reference_object(event.regarding)},
                 {"note", cut_text(event.note, kLongestNote)}};
  if (event.related) object["related"] = reference_object(*event.related);
  if (write.count > 1) object["series"] = series_object(write);
  return text_of(object);
}

std::string series_patch(const EventWrite& write) {
  return text_of({{"series", series_object(write)}});
}

std::string cut_text(std::string_view text, std::size_t limit) {
  constexpr std::string_view kMark = "...";
  if (text.size() <= limit) return std::string(text);
  std::size_t end = limit - kMark.size();
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + std::string(kMark);
}

}  // namespace imageclassifier::runtime
