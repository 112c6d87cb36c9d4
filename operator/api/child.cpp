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
    const bool holds = condition.status == "True";
    const bool kept = condition.type == "ScalingActive" || (condition.type == "AbleToScale" && !holds) ||
                      (condition.type == "ScalingLimited" && holds && condition.reason == "TooManyReplicas");
    if (!kept) return true;
    condition.last_transition_time = {};
    if (holds) condition.reason = condition.message = {};
    child.conditions.push_back(std::move(condition));
    return true;
  });
  Result<PackedText> owned = pack_owned_part(*text);
  if (!owned) return fail(owned.error());
  child.owned = std::move(*owned);
  return child;
}

}  // namespace imageclassifier::api
