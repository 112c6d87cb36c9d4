#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "operator/kubernetes/transport.hpp"

namespace imageclassifier::kubernetes {

/// Names one collection of the API: {"apps", "v1", "deployments"}; the core group is "".
struct GroupVersionResource {
  std::string group = {};
  std::string version = {};
  std::string plural = {};
  bool namespaced = true;
  friend bool operator==(const GroupVersionResource&, const GroupVersionResource&) = default;
};

/// "deployments.apps"; "secrets" for the core group. For logs and metric labels.
std::string to_string(const GroupVersionResource& resource);

/// One object of a collection. `namespace_name` is empty for cluster-scoped kinds.
struct ObjectName {
  std::string namespace_name = {};
  std::string name = {};
};

struct Selectors {
  std::string labels = {};  ///< "app=x,tier!=y"
  std::string fields = {};  ///< "metadata.name=x"
};

/// How much of each object the server is to send: all of it, or as meta.k8s.io/v1 PartialObjectMetadata.
enum class Content { kWhole, kMetadata };

struct ListOptions {
  Selectors selectors = {};
  Content content = Content::kWhole;
  int limit = 0;  ///< 0: no paging
  std::string continue_token =
      {};  ///< when set, resource_version and its match are not sent (the server would answer 400)
  std::string resource_version = {};        ///< "": quorum read; "0": anything the cache has; else at least as new
  std::string resource_version_match = {};  ///< "", "NotOlderThan" or "Exact"
};

struct WatchOptions {
  Selectors selectors = {};
  Content content = Content::kWhole;
  std::string resource_version = {};
  std::chrono::seconds timeout{0};  ///< the server ends the watch after this; 0: its own choice
  bool bookmarks = true;
  bool send_initial_events = false;  ///< WatchList; adds resourceVersionMatch=NotOlderThan
};

struct ApplyOptions {
  std::string field_manager = {};
  bool force = true;  ///< take over fields that others own, as controllers should
  bool dry_run = false;
};

enum class PatchType { kJson, kMerge, kStrategicMerge };

struct DeleteOptions {
  std::string uid = {};               ///< precondition; "": none
  std::string resource_version = {};  ///< precondition; "": none
  std::string propagation = "Background";
};

/// Builders: pure functions, nothing is sent. An empty `namespace_name` lists or watches all namespaces. Bodies are
/// JSON text given by the caller and passed on as they are.
Request list_request(const GroupVersionResource& resource, std::string_view namespace_name, const ListOptions& options);
Request watch_request(const GroupVersionResource& resource, std::string_view namespace_name,
                      const WatchOptions& options);
Request get_request(const GroupVersionResource& resource, const ObjectName& object);
Request create_request(const GroupVersionResource& resource, std::string_view namespace_name, std::string body,
                       std::string_view field_manager);
Request update_request(const GroupVersionResource& resource, const ObjectName& object, std::string body,
                       std::string_view field_manager, std::string_view subresource = "");
/// Server-side apply. `subresource` is "" or, for example, "status".
Request apply_request(const GroupVersionResource& resource, const ObjectName& object, std::string body,
                      const ApplyOptions& options, std::string_view subresource = "");
Request patch_request(const GroupVersionResource& resource, const ObjectName& object, PatchType type, std::string body,
                      std::string_view field_manager, std::string_view subresource = "");
Request delete_request(const GroupVersionResource& resource, const ObjectName& object, const DeleteOptions& options);

}  // namespace imageclassifier::kubernetes
