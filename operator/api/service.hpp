#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "operator/api/condition.hpp"
#include "operator/api/object_meta.hpp"
#include "operator/api/packed_text.hpp"

namespace imageclassifier::api {

// What we read of core/v1 Service and Event.

struct Service {
  ObjectMeta metadata;
  std::string type;
  std::string cluster_ip;            ///< empty or "None" if there is none
  std::vector<std::string> ingress;  ///< status.loadBalancer.ingress[], IP address or host name
  std::vector<Condition> conditions;
  PackedText owned;  ///< object_text.hpp, pack_owned_part
};

/// Its metadata.owner_uid is the uid of the object that it speaks of, so that a store finds all Events of an object.
struct Event {
  ObjectMeta metadata;
  std::string involved_kind;
  std::string involved_namespace;
  std::string involved_name;
  std::string involved_uid;
  std::string type;  ///< Normal or Warning
  std::string reason;
  std::string message;
  std::string last_seen;  ///< RFC 3339, the latest of all its times; compares as text
};

/// From the API server's JSON; kInvalidArgument if it is not a JSON object.
Result<Service> decode_service(std::string_view json);
Result<Event> decode_event(std::string_view json);

}  // namespace imageclassifier::api
