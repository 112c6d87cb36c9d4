#include "operator/api/owned_part.hpp"

#include <nlohmann/json.hpp>
#include <string>

#include "common/json_scan.hpp"

namespace imageclassifier::api {

Result<PackedText> pack_owned_part(std::string_view json) {
  std::string part = R"({"metadata":{)";
  const std::string_view metadata = find_member(json, "metadata").value_or(std::string_view());
  for (const char* key : {"labels", "annotations", "ownerReferences"}) {
    const auto value = find_member(metadata, key);
    if (!value) continue;
    if (part.back() != '{') part += ',';
    part.append("\"").append(key).append("\":").append(*value);
  }
  part += '}';
  if (const auto spec = find_member(json, "spec")) part.append(R"(,"spec":)").append(*spec);
  part += '}';
  if (!nlohmann::json::accept(part)) {
    return fail(ErrorCode::kInvalidArgument, "Labels, annotations, owners or spec of the object are no valid JSON.");
  }
  return PackedText(part);
}

}  // namespace imageclassifier::api
