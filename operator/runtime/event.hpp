#pragma once

#include <functional>
#include <optional>
#include <string>

namespace imageclassifier::runtime {

/// core/v1 ObjectReference. Without a resource version: it would keep equal events from being counted together.
struct ObjectReference {
  std::string api_version = {};
  std::string kind = {};
  std::string namespace_name = {};  ///< empty for cluster-scoped objects
  std::string name = {};
  std::string uid = {};
  friend bool operator==(const ObjectReference&, const ObjectReference&) = default;
};

enum class EventType { kNormal, kWarning };

/// What happened to an object, for people: `kubectl describe` and `kubectl get events` show it. Readable by everybody
/// who may read events of the namespace, so it never holds a secret.
struct Event {
  EventType type = EventType::kNormal;
  std::string reason = {};  ///< CamelCase, not empty: why
  std::string action = {};  ///< CamelCase, not empty: what was done or tried
  ObjectReference regarding = {};
  std::optional<ObjectReference> related = {};
  std::string note = {};  ///< a sentence; longer ones than 1024 bytes are cut
  friend bool operator==(const Event&, const Event&) = default;
};

/// How one gets rid of an event: EventRecorder::record.
using RecordEvent = std::function<void(Event)>;

}  // namespace imageclassifier::runtime
