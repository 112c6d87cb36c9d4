#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace imageclassifier::cli {

/// crds/imageclassifiers.yaml, made into a constant at build (definition.cpp.in).
extern const std::string_view kDefinition;

/// Paths of the fields of an ImageClassifier's spec that the definition does not have: "spec.replica". Pure.
std::vector<std::string> unknown_fields(const nlohmann::json& classifier);

}  // namespace imageclassifier::cli
