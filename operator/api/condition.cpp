#include "operator/api/condition.hpp"

#include <nlohmann/json.hpp>

#include "common/json_scan.hpp"
#include "operator/api/json_access.hpp"

namespace imageclassifier::api {

std::vector<Condition> parse_conditions(const nlohmann::json& list) {
  std::vector<Condition> result;
  if (!list.is_array()) return result;
  for (const auto& entry : list) {
    result.push_back({text_of(entry, "type"), text_of(entry, "status"), integer_of(entry, "observedGeneration"),
                      text_of(entry, "lastTransitionTime"), text_of(entry, "reason"), text_of(entry, "message")});
  }
  return result;
}

Condition decode_condition(std::string_view json) {
  Condition condition;
  for_each_member(json, [&](std::string_view key, std::string_view value) {
    if (key == "type") condition.type = json_text(value);
    if (key == "status") condition.status = json_text(value);
    if (key == "observedGeneration") condition.observed_generation = json_integer(value).value_or(0);
    if (key == "lastTransitionTime") condition.last_transition_time = json_text(value);
    if (key == "reason") condition.reason = json_text(value);
    if (key == "message") condition.message = json_text(value);
    return true;
  });
  return condition;
}

const Condition* find_condition(const std::vector<Condition>& conditions, const std::string& type) {
  for (const Condition& condition : conditions) {
    if (condition.type == type) return &condition;
  }
  return nullptr;
}

nlohmann::json to_json(const Condition& condition) {
  return {{"type", condition.type},
          {"status", condition.status},
          {"observedGeneration", condition.observed_generation},
          {"lastTransitionTime", condition.last_transition_time},
          {"reason", condition.reason},
          {"message", condition.message}};
}

}  // namespace imageclassifier::api
