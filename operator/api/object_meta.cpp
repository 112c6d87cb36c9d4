#include "operator/api/object_meta.hpp"

#include <cstdlib>

#include "common/json_scan.hpp"

namespace imageclassifier::api {
namespace {

std::string controlling_owner(std::string_view references) {
  std::string uid;
  for_each_element(references, [&](std::string_view reference) {
    if (json_boolean(find_member(reference, "controller").value_or(""))) uid = find_string(reference, {"uid"});
    return true;
  });
  return uid;
}

void read_managed_fields(ObjectMeta& meta, std::string_view managed_fields) {
  for_each_element(managed_fields, [&](std::string_view entry) {
    if (find_string(entry, {"manager"}) != kFieldManager || !find_string(entry, {"subresource"}).empty()) return true;
    if (find_string(entry, {"operation"}) == "Update") meta.created_by_update = true;
    if (find_path(entry, {"fieldsV1", "f:spec", "f:replicas"})) meta.owns_replicas = true;
    return true;
  });
}

}  // namespace

ObjectMeta decode_object_meta(std::string_view metadata) {
  ObjectMeta meta;
  for_each_member(metadata, [&](std::string_view key, std::string_view value) {
    if (key == "name") meta.name = json_text(value);
    if (key == "namespace") meta.namespace_name = json_text(value);
    if (key == "uid") meta.uid = json_text(value);
    if (key == "resourceVersion") meta.resource_version = json_text(value);
    if (key == "generation") meta.generation = json_integer(value).value_or(0);
    if (key == "labels") meta.instance = find_string(value, {"app.kubernetes.io/instance"});
    if (key == "annotations") {
      const std::string revision = find_string(value, {"deployment.kubernetes.io/revision"});
      meta.revision = std::strtoll(revision.c_str(), nullptr, 10);
      meta.pod_revision = find_string(value, {kRevisionAnnotation});
    }
    if (key == "creationTimestamp") meta.creation_timestamp = json_text(value);
    if (key == "deletionTimestamp") meta.deleting = !json_text(value).empty();
    if (key == "ownerReferences") meta.owner_uid = controlling_owner(value);
    if (key == "managedFields") read_managed_fields(meta, value);
    return true;
  });
  return meta;
}

}  // namespace imageclassifier::api
