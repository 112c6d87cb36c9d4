#include "operator/api/json_access.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/json_scan.hpp"

namespace imageclassifier::api {
namespace {

/// The object whose members `read` makes from their texts; those that it makes "discarded" are broken, and so is the
/// whole. Members that `wanted` refuses are left out.
template <typename Wanted, typename ReadMember>
nlohmann::json object_of(std::string_view text, const Wanted& wanted, const ReadMember& read) {
  nlohmann::json object = nlohmann::json::object();
  bool good = true;
  const bool whole = for_each_member(text, [&](std::string_view key, std::string_view value) {
    if (!wanted(key)) return true;
    nlohmann::json member = read(key, value);
    good = !member.is_discarded();
    if (good) object[std::string(key)] = std::move(member);
    return good;
  });
  return whole && good ? object : nlohmann::json(nlohmann::json::value_t::discarded);
}

nlohmann::json parse(std::string_view text) {
  return nlohmann::json::parse(text, nullptr, false);
}

nlohmann::json parse_member(std::string_view, std::string_view value) {
  return parse(value);
}

bool all(std::string_view) {
  return true;
}

bool is_object(std::string_view text) {
  return !text.empty() && text.front() == '{';
}

nlohmann::json parse_managers(std::string_view list) {
  const auto wanted = [](std::string_view key) { return key != "fieldsV1"; };
  nlohmann::json entries = nlohmann::json::array();
  const bool is_array = for_each_element(list, [&](std::string_view entry) {
    entries.push_back(is_object(entry) ? object_of(entry, wanted, parse_member) : parse(entry));
    return !entries.back().is_discarded();
  });
  if (!is_array) return parse(list);
  return !entries.empty() && entries.back().is_discarded() ? entries.back() : entries;
}

nlohmann::json parse_metadata(std::string_view text) {
  return object_of(text, all, [](std::string_view key, std::string_view value) {
    return key == "managedFields" ? parse_managers(value) : parse(value);
  });
}

template <typename ParseSpec>
nlohmann::json parse_object(std::string_view text, const ParseSpec& parse_spec) {
  nlohmann::json object = object_of(text, all, [&](std::string_view key, std::string_view value) {
    if (key == "metadata" && is_object(value)) return parse_metadata(value);
    return key == "spec" ? parse_spec(value) : parse(value);
  });
  return object.is_discarded() ? nlohmann::json() : object;
}

}  // namespace

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

nlohmann::json parse_lean(std::string_view text, std::initializer_list<std::string_view> spec_members) {
  return parse_object(text, [&](std::string_view spec) {
    const auto wanted = [&](std::string_view key) {
      return std::find(spec_members.begin(), spec_members.end(), key) != spec_members.end();
    };
    return is_object(spec) ? object_of(spec, wanted, parse_member) : parse(spec);
  });
}

nlohmann::json parse_lean(std::string_view text) {
  return parse_object(text, parse);
}

nlohmann::json parse_or_null(std::string_view text) {
  nlohmann::json value = nlohmann::json::parse(text, nullptr, false);
  return value.is_discarded() ? nlohmann::json() : value;
}

}  // namespace imageclassifier::api
