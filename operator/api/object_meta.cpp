#include "operator/api/object_meta.hpp"

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "operator/api/json_access.hpp"

namespace imageclassifier::api {

ObjectMeta parse_object_meta(const nlohmann::json& object) {
  const nlohmann::json& source = member(object, "metadata");
  ObjectMeta meta;
  meta.name = text_of(source, "name");
  meta.namespace_name = text_of(source, "namespace");
  meta.uid = text_of(source, "uid");
  meta.resource_version = text_of(source, "resourceVersion");
  meta.generation = integer_of(source, "generation");
  meta.instance = text_of(member(source, "labels"), "app.kubernetes.io/instance");
  meta.revision =
      std::strtoll(text_of(member(source, "annotations"), "deployment.kubernetes.io/revision").c_str(), nullptr, 10);
  meta.creation_timestamp = text_of(source, "creationTimestamp");
  meta.deleting = !text_of(source, "deletionTimestamp").empty();
  for (const auto& owner : member(source, "ownerReferences")) {
    if (boolean_of(owner, "controller")) meta.owner_uid = text_of(owner, "uid");
  }
  for (const auto& entry : member(source, "managedFields")) {
    if (text_of(entry, "manager") == kFieldManager && text_of(entry, "operation") == "Update" &&
        text_of(entry, "subresource").empty()) {
      meta.created_by_update = true;
    }
  }
  return meta;
}

}  // namespace imageclassifier::api
