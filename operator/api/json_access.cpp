#include "operator/api/json_access.hpp"

#include <nlohmann/json.hpp>

namespace imageclassifier::api {

const nlohmann::json& member(const nlohmann::json& object, std::string_view key) {
  static const nlohmann::json kNull;
  if (!object.is_object()) return kNull;
  const auto found = object.find(std::string(key));
  return found == object.end() ? kNull : *found;
}

const nlohmann::json& member_at(const nlohmann::json& object, std::initializer_list<std::string_view> path) {
  const nlohmann::json* current = &object;
  for (const std::string_view key : path) current = &member(*current, key);
  return *current;
}

std::string text_of(const nlohmann::json& object, std::string_view key) {
  const nlohmann::json& value = member(object, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

std::int64_t integer_of(const nlohmann::json& object, std::string_view key, std::int64_t otherwise) {
  return optional_integer_of(object, key).value_or(otherwise);
}

std::optional<std::int64_t> optional_integer_of(const nlohmann::json& object, std::string_view key) {
  const nlohmann::json& value = member(object, key);
  if (!value.is_number_integer()) return std::nullopt;
  return value.get<std::int64_t>();
}

bool boolean_of(const nlohmann::json& object, std::string_view key, bool otherwise) {
  const nlohmann::json& value = member(object, key);
  return value.is_boolean() ? value.get<bool>() : otherwise;
}

std::map<std::string, std::string> text_map_of(const nlohmann::json& object, std::string_view key) {
  std::map<std::string, std::string> result;
  const nlohmann::json& value = member(object, key);
  if (!value.is_object()) return result;
  for (const auto& [name, text] : value.items()) {
    if (text.is_string()) result.emplace(name, text.get<std::string>());
  }
  return result;
}

std::vector<std::string> text_list_of(const nlohmann::json& object, std::string_view key) {
  std::vector<std::string> result;
  const nlohmann::json& value = member(object, key);
  if (!value.is_array()) return result;
  for (const auto& text : value) {
    if (text.is_string()) result.push_back(text.get<std::string>());
  }
  return result;
}

std::string scalar_text(const nlohmann::json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number()) return value.dump();
  return {};
}

nlohmann::json parse_or_null(std::string_view text) {
  nlohmann::json value = nlohmann::json::parse(text, nullptr, false);
  return value.is_discarded() ? nlohmann::json() : value;
}

}  // namespace imageclassifier::api
