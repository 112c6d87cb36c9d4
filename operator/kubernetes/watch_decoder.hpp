#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.hpp"
#include "operator/kubernetes/status.hpp"

namespace imageclassifier::kubernetes {

/// One line of a watch. `object` points into the line.
struct WatchEvent {
  enum class Type { kAdded, kModified, kDeleted, kBookmark, kError };
  Type type = Type::kAdded;
  std::string_view object;          ///< raw JSON; of a bookmark never to be stored
  std::string resource_version;     ///< of the object; empty for kError
  bool initial_events_end = false;  ///< bookmark with annotation k8s.io/initial-events-end: "true"
  Status status;                    ///< kError only
};

/// Reads one line. kDataLoss if it is not a watch event: broken JSON, unknown type, no decimal resource version
/// (KEP-5504). The inside of `object` is not validated. Pure; accepts any bytes.
Result<WatchEvent> decode_watch_event(std::string_view line);

/// What a list says about itself.
struct ListPage {
  std::string resource_version;
  std::string continue_token;  ///< empty: this was the last page
  std::size_t items = 0;
};

/// Reads a List object and calls `visit` with the raw JSON of every item. kDataLoss if it is broken or has no decimal
/// resource version; some items may have been visited by then.
Result<ListPage> decode_list(std::string_view body, const std::function<void(std::string_view item)>& visit);

}  // namespace imageclassifier::kubernetes
