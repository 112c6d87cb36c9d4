#include "operator/kubernetes/request.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "common/percent_encode.hpp"

namespace imageclassifier::kubernetes {
namespace {

constexpr const char* kJson = "application/json";
constexpr const char* kMetadata = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
constexpr const char* kMetadataList = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

class Query {
 public:
  Query& add(std::string_view key, std::string_view value) {
    if (value.empty()) return *this;
    text_ += text_.empty() ? '?' : '&';
    text_ += key;
    text_ += '=';
    text_ += percent_encode(value);
    return *this;
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

std::string collection_path(const GroupVersionResource& resource, std::string_view namespace_name) {
  std::string path = resource.group.empty() ? "/api/" : "/apis/" + percent_encode(resource.group) + "/";
  path += percent_encode(resource.version);
  if (resource.namespaced && !namespace_name.empty()) path += "/namespaces/" + percent_encode(namespace_name);
  return path + "/" + percent_encode(resource.plural);
}

std::string object_path(const GroupVersionResource& resource, const ObjectName& object, std::string_view subresource) {
  std::string path = collection_path(resource, object.namespace_name) + "/" + percent_encode(object.name);
  if (!subresource.empty()) path += "/" + percent_encode(subresource);
  return path;
}

Request read(std::string target, const char* accept = kJson) {
  return {Method::kGet, std::move(target), {{"Accept", accept}}, {}};
}

Request write(Method method, std::string target, std::string body, const char* content_type) {
  return {method, std::move(target), {{"Accept", kJson}, {"Content-Type", content_type}}, std::move(body)};
}

const char* content_type(PatchType type) {
  switch (type) {
    case PatchType::kJson:
      return "application/json-patch+json";
    case PatchType::kMerge:
      return "application/merge-patch+json";
    case PatchType::kStrategicMerge:
      return "application/strategic-merge-patch+json";
  }
  return kJson;
}

}  // namespace

std::string to_string(const GroupVersionResource& resource) {
  return resource.group.empty() ? resource.plural : resource.plural + "." + resource.group;
}

Request list_request(const GroupVersionResource& resource, std::string_view namespace_name,
                     const ListOptions& options) {
  Query query;
  query.add("labelSelector", options.selectors.labels).add("fieldSelector", options.selectors.fields);
  if (options.limit > 0) query.add("limit", std::to_string(options.limit));
  if (!options.continue_token.empty()) {
    query.add("continue", options.continue_token);
  } else {
    query.add("resourceVersion", options.resource_version).add("resourceVersionMatch", options.resource_version_match);
  }
  return read(collection_path(resource, namespace_name) + query.text(),
              options.content == Content::kMetadata ? kMetadataList : kJson);
}

Request watch_request(const GroupVersionResource& resource, std::string_view namespace_name,
                      const WatchOptions& options) {
  Query query;
  query.add("watch", "1").add("labelSelector", options.selectors.labels);
  query.add("fieldSelector", options.selectors.fields).add("resourceVersion", options.resource_version);
  if (options.bookmarks) query.add("allowWatchBookmarks", "true");
  if (options.send_initial_events) {
    query.add("sendInitialEvents", "true").add("resourceVersionMatch", "NotOlderThan");
  }
  if (options.timeout.count() > 0) query.add("timeoutSeconds", std::to_string(options.timeout.count()));
  return read(collection_path(resource, namespace_name) + query.text(),
              options.content == Content::kMetadata ? kMetadata : kJson);
}

Request get_request(const GroupVersionResource& resource, const ObjectName& object) {
  return read(object_path(resource, object, ""));
}

Request create_request(const GroupVersionResource& resource, std::string_view namespace_name, std::string body,
                       std::string_view field_manager) {
  const Query query = Query().add("fieldManager", field_manager);
  return write(Method::kPost, collection_path(resource, namespace_name) + query.text(), std::move(body), kJson);
}

Request update_request(const GroupVersionResource& resource, const ObjectName& object, std::string body,
                       std::string_view field_manager, std::string_view subresource) {
  const Query query = Query().add("fieldManager", field_manager);
  return write(Method::kPut, object_path(resource, object, subresource) + query.text(), std::move(body), kJson);
}

Request apply_request(const GroupVersionResource& resource, const ObjectName& object, std::string body,
                      const ApplyOptions& options, std::string_view subresource) {
  Query query;
  query.add("fieldManager", options.field_manager).add("force", options.force ? "true" : "false");
  if (options.dry_run) query.add("dryRun", "All");
  return write(Method::kPatch, object_path(resource, object, subresource) + query.text(), std::move(body),
               "application/apply-patch+yaml");
}

Request patch_request(const GroupVersionResource& resource, const ObjectName& object, PatchType type, std::string body,
                      std::string_view field_manager, std::string_view subresource) {
  const Query query = Query().add("fieldManager", field_manager);
  return write(Method::kPatch, object_path(resource, object, subresource) + query.text(), std::move(body),
               content_type(type));
}

Request delete_request(const GroupVersionResource& resource, const ObjectName& object, const DeleteOptions& options) {
  nlohmann::json body = {{"apiVersion", "v1"}, {"kind", "DeleteOptions"}};
  if (!options.propagation.empty()) body["propagationPolicy"] = options.propagation;
  if (!options.uid.empty()) body["preconditions"]["uid"] = options.uid;
  if (!options.resource_version.empty()) body["preconditions"]["resourceVersion"] = options.resource_version;
  return write(Method::kDelete, object_path(resource, object, ""),
               body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), kJson);
}

}  // namespace imageclassifier::kubernetes
