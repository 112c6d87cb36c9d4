#include "operator/api/child.hpp"

#include <utility>

#include "common/json_scan.hpp"
#include "operator/api/object_text.hpp"

namespace imageclassifier::api {

Result<Child> decode_child(std::string_view json) {
  const auto text = split_object(json, "object");
  if (!text) return fail(text.error());
  Child child;
  child.metadata = decode_object_meta(text->metadata);
  child.metadata.creation_timestamp = {};
  for_each_element(find_member(text->status, "conditions").value_or(""), [&](std::string_view entry) {
    Condition condition = decode_condition(entry);
    condition.last_transition_time = {};
    if (condition.type == "ScalingActive" && condition.status != "True")
      child.conditions.push_back(std::move(condition));
    return true;
  });
  Result<PackedText> owned = pack_owned_part(*text);
  if (!owned) return fail(owned.error());
  child.owned = std::move(*owned);
  return child;
}

}  // namespace imageclassifier::api
