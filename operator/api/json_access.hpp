#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace imageclassifier::api {

// Reading of API objects that never throws: a member that is absent or of another type reads as empty. The API server
// has checked the objects against their schemas; what is left to guard against is a member that we do not expect.

/// The member, or a null value that lives for ever.
const nlohmann::json& member(const nlohmann::json& object, std::string_view key);
/// Members of members: member_at(pod, {"spec", "nodeName"}).
const nlohmann::json& member_at(const nlohmann::json& object, std::initializer_list<std::string_view> path);
std::string text_of(const nlohmann::json& object, std::string_view key);
std::int64_t integer_of(const nlohmann::json& object, std::string_view key, std::int64_t otherwise = 0);
std::optional<std::int64_t> optional_integer_of(const nlohmann::json& object, std::string_view key);
bool boolean_of(const nlohmann::json& object, std::string_view key, bool otherwise = false);
std::map<std::string, std::string> text_map_of(const nlohmann::json& object, std::string_view key);
std::vector<std::string> text_list_of(const nlohmann::json& object, std::string_view key);
/// Text as it is, numbers in their JSON form (for int-or-string members).
std::string scalar_text(const nlohmann::json& value);
/// Parses text; a null value if it is not JSON.
nlohmann::json parse_or_null(std::string_view text);

}  // namespace imageclassifier::api
