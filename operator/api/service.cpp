#include "operator/api/service.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "operator/api/json_access.hpp"
#include "operator/api/owned_part.hpp"

namespace imageclassifier::api {
namespace {

Service parse_service(const nlohmann::json& object) {
  Service service;
  service.metadata = parse_object_meta(object);
  service.type = text_of(member(object, "spec"), "type");
  service.cluster_ip = text_of(member(object, "spec"), "clusterIP");
  for (const auto& ingress : member_at(object, {"status", "loadBalancer", "ingress"})) {
    std::string address = text_of(ingress, "ip");
    if (address.empty()) address = text_of(ingress, "hostname");
    if (!address.empty()) service.ingress.push_back(std::move(address));
  }
  service.conditions = parse_conditions(member_at(object, {"status", "conditions"}));
  return service;
}

Event parse_event(const nlohmann::json& object) {
  Event event;
  event.metadata = parse_object_meta(object);
  const nlohmann::json& involved = member(object, "involvedObject");
  event.involved_kind = text_of(involved, "kind");
  event.involved_namespace = text_of(involved, "namespace");
  event.involved_name = text_of(involved, "name");
  event.involved_uid = text_of(involved, "uid");
  event.metadata.owner_uid = event.involved_uid;
  event.type = text_of(object, "type");
  event.reason = text_of(object, "reason");
  event.message = text_of(object, "message");
  // Old and new event APIs keep the time in different members; MicroTime compares with Time by the common prefix.
  event.last_seen =
      std::max({text_of(object, "lastTimestamp"), text_of(object, "eventTime"), text_of(object, "firstTimestamp"),
                text_of(member(object, "series"), "lastObservedTime"), event.metadata.creation_timestamp});
  return event;
}

}  // namespace

Result<Service> decode_service(std::string_view json) {
  const nlohmann::json object = parse_lean(json, {"type", "clusterIP"});
  if (!object.is_object()) return fail(ErrorCode::kInvalidArgument, "The Service is not a JSON object.");
  Service service = parse_service(object);
  Result<PackedText> owned = pack_owned_part(json);
  if (!owned) return fail(owned.error());
  service.owned = std::move(*owned);
  return service;
}

Result<Event> decode_event(std::string_view json) {
  const nlohmann::json object = parse_lean(json);
  if (!object.is_object()) return fail(ErrorCode::kInvalidArgument, "The Event is not a JSON object.");
  return parse_event(object);
}

}  // namespace imageclassifier::api
