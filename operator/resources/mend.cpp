#include "operator/resources/mend.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "operator/api/json_access.hpp"
#include "operator/resources/drift.hpp"

namespace imageclassifier::resources {
namespace {

using nlohmann::json;

json::iterator find_named(json& list, std::string_view key, const std::string& name) {
  return std::find_if(list.begin(), list.end(), [&](const json& entry) { return api::text_of(entry, key) == name; });
}

void replace_entries(json& present, const json& wanted, const char* key) {
  for (const json& entry : wanted) {
    const auto found = find_named(present, key, api::text_of(entry, key));
    if (found == present.end()) {
      present.push_back(entry);
    } else {
      *found = entry;
    }
  }
}

void mend_metadata(json& object, const json& wanted) {
  for (const char* part : {"labels", "annotations"}) {
    const json& ours = api::member_at(wanted, {"metadata", part});
    if (ours.is_object()) object["metadata"][part].update(ours);
  }
}

void mend_pods(json& pod_template, const json& wanted) {
  mend_metadata(pod_template, wanted);
  json& pod = pod_template["spec"];
  for (const auto& [name, value] : api::member(wanted, "spec").items()) {
    const char* key = value.is_array() ? list_key(value) : nullptr;
    if (key != nullptr && pod[name].is_array()) {
      replace_entries(pod[name], value, key);
    } else {
      pod[name] = value;
    }
  }
}

void mend_ports(json& present, json wanted) {
  for (json& port : wanted) {
    const auto before = find_named(present, "name", api::text_of(port, "name"));
    if (before != present.end() && before->contains("nodePort")) port["nodePort"] = (*before)["nodePort"];
  }
  present = std::move(wanted);
}

void mend_spec(json& present, const json& wanted, Kind kind) {
  if (kind != Kind::kDeployment && kind != Kind::kService) {
    present = wanted;
    return;
  }
  for (const auto& [name, value] : wanted.items()) {
    if (kind == Kind::kDeployment && name == "template") {
      mend_pods(present[name], value);
    } else if (kind == Kind::kService && name == "ports") {
      mend_ports(present[name], value);
    } else {
      present[name] = value;
    }
  }
}

}  // namespace

std::string mending_patch(const Manifest& manifest, std::string_view observed) {
  const json wanted = api::parse_or_null(manifest.body);
  const json present = api::parse_or_null(observed);
  if (!wanted.contains("spec") || !api::member(present, "spec").is_object()) return {};
  json mended = present;
  mend_metadata(mended, wanted);
  mend_spec(mended["spec"], wanted["spec"], manifest.kind);
  json patch = json::diff(present, mended);
  if (patch.empty()) return {};
  const std::string version = api::text_of(api::member(present, "metadata"), "resourceVersion");
  patch.push_back({{"op", "replace"}, {"path", "/metadata/resourceVersion"}, {"value", version}});
  return patch.dump();
}

}  // namespace imageclassifier::resources
