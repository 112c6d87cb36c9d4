#include "operator/api/revision.hpp"

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/json_scan.hpp"
#include "operator/api/json_access.hpp"
#include "operator/api/object_text.hpp"

namespace imageclassifier::api {

Result<Revision> decode_revision(std::string_view json) {
  auto text = split_object(json, "ControllerRevision");
  if (!text) return fail(text.error());
  Revision revision;
  revision.metadata = decode_object_meta(text->metadata);
  revision.metadata.creation_timestamp = {};
  const std::string_view annotations = find_member(text->metadata, "annotations").value_or("");
  revision.marks.number = std::strtoll(find_string(annotations, {kNumberAnnotation}).c_str(), nullptr, 10);
  revision.marks.specification = find_string(annotations, {kSpecificationAnnotation});
  revision.marks.completed = std::strtoll(find_string(annotations, {kCompletedAnnotation}).c_str(), nullptr, 10);
  revision.marks.failure = find_string(annotations, {kFailureAnnotation});
  revision.images = find_string(annotations, {kImagesAnnotation});
  revision.secrets = find_string(annotations, {kSecretsAnnotation});
  revision.guarded = !find_string(annotations, {kAuthenticationAnnotation}).empty();
  revision.model_port = std::strtoll(find_string(annotations, {kModelPortAnnotation}).c_str(), nullptr, 10);
  revision.tls_secret = find_string(annotations, {kTlsSecretAnnotation});
  Result<PackedText> owned = pack_owned_part(*text);
  if (!owned) return fail(owned.error());
  revision.owned = std::move(*owned);
  return revision;
}

Result<std::string> decode_template(std::string_view json) {
  const nlohmann::json object = parse_or_null(json);
  const nlohmann::json& pods = member_at(object, {"data", "spec", "template"});
  if (!pods.is_object()) return fail(ErrorCode::kDataLoss, "The ControllerRevision holds no pod template.");
  return pods.dump();
}

}  // namespace imageclassifier::api
