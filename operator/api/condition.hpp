#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace imageclassifier::api {

/// metav1.Condition.
struct Condition {
  std::string type;
  std::string status;  ///< "True", "False" or "Unknown"
  std::int64_t observed_generation = 0;
  std::string last_transition_time;  ///< RFC 3339; moves only when `status` does
  std::string reason;
  std::string message;
  friend bool operator==(const Condition&, const Condition&) = default;
};

/// The longest message that a condition carries, in bytes.
inline constexpr std::size_t kMaxMessageBytes = 1024;

std::vector<Condition> parse_conditions(const nlohmann::json& list);
/// From the JSON text of one condition.
Condition decode_condition(std::string_view json);
const Condition* find_condition(const std::vector<Condition>& conditions, const std::string& type);
nlohmann::json to_json(const Condition& condition);

}  // namespace imageclassifier::api
