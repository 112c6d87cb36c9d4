#include "operator/api/service.hpp"

#include <algorithm>

#include "common/json_scan.hpp"
#include "operator/api/object_text.hpp"

namespace imageclassifier::api {
namespace {

std::vector<std::string> addresses_in(std::string_view ingress) {
  std::vector<std::string> addresses;
  for_each_element(ingress, [&](std::string_view entry) {
    std::string address = find_string(entry, {"ip"});
    if (address.empty()) address = find_string(entry, {"hostname"});
    if (!address.empty()) addresses.push_back(std::move(address));
    return true;
  });
  return addresses;
}

void read_involved(Event& event, std::string_view involved) {
  event.involved_kind = find_string(involved, {"kind"});
  event.involved_namespace = find_string(involved, {"namespace"});
  event.involved_name = find_string(involved, {"name"});
  event.involved_uid = find_string(involved, {"uid"});
  event.metadata.owner_uid = event.involved_uid;
}

}  // namespace

Result<Service> decode_service(std::string_view json) {
  const auto text = split_object(json, "Service");
  if (!text) return fail(text.error());
  Result<PackedText> owned = pack_owned_part(*text);
  if (!owned) return fail(owned.error());
  Service service;
  service.metadata = decode_object_meta(text->metadata);
  service.type = find_string(text->spec, {"type"});
  service.cluster_ip = find_string(text->spec, {"clusterIP"});
  service.ingress = addresses_in(find_path(text->status, {"loadBalancer", "ingress"}).value_or(""));
  for_each_element(find_member(text->status, "conditions").value_or(""), [&](std::string_view condition) {
    service.conditions.push_back(decode_condition(condition));
    return true;
  });
  service.owned = std::move(*owned);
  return service;
}

Result<Event> decode_event(std::string_view json) {
  const auto text = split_object(json, "Event");
  if (!text) return fail(text.error());
  Event event;
  event.metadata = decode_object_meta(text->metadata);
  read_involved(event, find_member(json, "involvedObject").value_or(""));
  event.type = find_string(json, {"type"});
  event.reason = find_string(json, {"reason"});
  event.message = find_string(json, {"message"});
  // Old and new event APIs keep the time in different members; MicroTime compares with Time by the common prefix.
  event.last_seen = std::max({find_string(json, {"lastTimestamp"}), find_string(json, {"eventTime"}),
                              find_string(json, {"firstTimestamp"}), find_string(json, {"series", "lastObservedTime"}),
                              event.metadata.creation_timestamp});
  return event;
}

}  // namespace imageclassifier::api
