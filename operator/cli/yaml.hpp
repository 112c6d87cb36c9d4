#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "common/result.hpp"

namespace imageclassifier::cli {

/// The first document of a YAML (or JSON) text. Plain scalars become what YAML 1.2's core schema and kubectl take them
/// for: booleans, numbers, null, else text. kInvalidArgument, with the line, if it cannot be read.
Result<nlohmann::json> read_yaml(std::string_view text);

/// Block style, members in the order of the JSON object, text quoted wherever a reader could take it for something
/// else.
std::string write_yaml(const nlohmann::json& value);

}  // namespace imageclassifier::cli
