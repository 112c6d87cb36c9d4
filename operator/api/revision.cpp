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
  revision.marks.number = json_integer(find_member(json, "revision").value_or("")).value_or(0);
  revision.marks.specification = find_string(annotations, {kSpecificationAnnotation});
  revision.marks.completed = std::strtoll(find_string(annotations, {kCompletedAnnotation}).c_str(), nullptr, 10);
  revision.marks.failure = find_string(annotations, {kFailureAnnotation});
  Result<PackedText> owned = pack_owned_part(*text, {{"data", std::string(find_member(json, "data").value_or("null"))},
                                                     {"revision", std::to_string(revision.marks.number)}});
  if (!owned) return fail(owned.error());
  revision.owned = std::move(*owned);
  return revision;
}

std::string template_of(const Revision& revision) {
  return member_at(parse_or_null(revision.owned.text()), {"data", "spec", "template"}).dump();
}

}  // namespace imageclassifier::api
