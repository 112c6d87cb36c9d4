#include <nlohmann/json.hpp>

#include "operator/api/json_access.hpp"
#include "operator/cli/definition.hpp"
#include "operator/cli/yaml.hpp"

namespace imageclassifier::cli {
namespace {

using nlohmann::json;

void collect(const json& value, const json& schema, const std::string& path, std::vector<std::string>& unknown) {
  if (value.is_array()) {
    for (const json& entry : value) collect(entry, api::member(schema, "items"), path + "[]", unknown);
  }
  if (!value.is_object()) return;
  const json& properties = api::member(schema, "properties");
  const json& others = api::member(schema, "additionalProperties");
  if (properties.is_null() && others.is_null()) return;  // whatever it holds is taken
  for (const auto& [name, member] : value.items()) {
    const json& known = properties.contains(name) ? properties[name] : others;
    if (known.is_null()) {
      unknown.push_back(path + "." + name);
    } else {
      collect(member, known, path + "." + name, unknown);
    }
  }
}

}  // namespace

std::vector<std::string> unknown_fields(const nlohmann::json& classifier) {
  std::vector<std::string> unknown;
  const auto definition = read_yaml(kDefinition);
  if (!definition) return unknown;
  const json& versions = api::member_at(*definition, {"spec", "versions"});
  if (!versions.is_array() || versions.empty()) return unknown;
  const json& schema = api::member_at(versions[0], {"schema", "openAPIV3Schema", "properties", "spec"});
  collect(api::member(classifier, "spec"), schema, "spec", unknown);
  return unknown;
}

}  // namespace imageclassifier::cli
