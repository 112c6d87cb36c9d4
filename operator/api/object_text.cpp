#include "operator/api/object_text.hpp"

#include <nlohmann/json.hpp>
#include <string>

#include "common/json_scan.hpp"

namespace imageclassifier::api {

Result<ObjectText> split_object(std::string_view json, const char* kind) {
  ObjectText text;
  const bool whole = for_each_member(json, [&](std::string_view key, std::string_view value) {
    if (key == "metadata") text.metadata = value;
    if (key == "spec") text.spec = value;
    if (key == "status") text.status = value;
    return true;
  });
  if (!whole) return fail(ErrorCode::kInvalidArgument, std::string("The ") + kind + " is not a JSON object.");
  for (const std::string_view part : {text.metadata, text.spec, text.status}) {
    if (!part.empty() && part.front() == '{' && !for_each_member(part, [](auto, auto) { return true; })) {
      return fail(ErrorCode::kInvalidArgument, std::string("Metadata, spec or status of the ") + kind + " is broken.");
    }
  }
  return text;
}

Result<PackedText> pack_owned_part(const ObjectText& object) {
  std::string part = R"({"metadata":{)";
  for_each_member(object.metadata, [&](std::string_view key, std::string_view value) {
    if (key != "labels" && key != "annotations" && key != "ownerReferences") return true;
    if (part.back() != '{') part += ',';
    part.append("\"").append(key).append("\":").append(value);
    return true;
  });
  part += '}';
  if (!object.spec.empty()) part.append(R"(,"spec":)").append(object.spec);
  part += '}';
  if (!nlohmann::json::accept(part)) {
    return fail(ErrorCode::kInvalidArgument, "Labels, annotations, owners or spec of the object are no valid JSON.");
  }
  return PackedText(part);
}

}  // namespace imageclassifier::api
