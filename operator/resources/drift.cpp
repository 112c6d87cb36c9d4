#include "operator/resources/drift.hpp"

#include <array>
#include <nlohmann/json.hpp>
#include <optional>

#include "operator/api/json_access.hpp"
#include "operator/api/quantity.hpp"
#include "operator/resources/manifest.hpp"

namespace imageclassifier::resources {
namespace {

using nlohmann::json;

std::optional<std::string> difference(const json& wanted, const json& observed, const std::string& path);

std::optional<std::string> list_difference(const json& wanted, const json& observed, const std::string& path) {
  const char* key = list_key(wanted);
  if (key == nullptr) {
    if (!observed.is_array() || observed.size() != wanted.size()) return path;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (auto found = difference(wanted[i], observed[i], path + "[" + std::to_string(i) + "]")) return found;
    }
    return std::nullopt;
  }
  for (const json& entry : wanted) {
    const std::string name = api::text_of(entry, key);
    const json* match = nullptr;
    for (const json& candidate : observed) {
      if (api::text_of(candidate, key) == name) match = &candidate;
    }
    const std::string entry_path = path + "[" + name + "]";
    if (match == nullptr) return entry_path;
    if (auto found = difference(entry, *match, entry_path)) return found;
  }
  return std::nullopt;
}

bool same_quantity(const json& wanted, const json& observed, const std::string& path) {
  if (path.find(".limits.") == std::string::npos && path.find(".requests.") == std::string::npos) return false;
  const auto left = api::parse_quantity(api::scalar_text(wanted));
  const auto right = api::parse_quantity(api::scalar_text(observed));
  return left && right && *left == *right;
}

std::optional<std::string> difference(const json& wanted, const json& observed, const std::string& path) {
  if (wanted.is_object()) {
    for (const auto& [name, value] : wanted.items()) {
      const json& other = api::member(observed, name);
      if (auto found = difference(value, other, path.empty() ? name : path + "." + name)) return found;
    }
    // An empty object, such as emptyDir, still has to be there.
    return observed.is_object() || path.empty() ? std::nullopt : std::optional(path);
  }
  if (wanted.is_array()) return list_difference(wanted, observed, path);
  if (wanted == observed || same_quantity(wanted, observed, path)) return std::nullopt;
  return path;
}

const std::string& hash_path() {
  static const std::string path = std::string("metadata.annotations.") + kAppliedHash;
  return path;
}

/// The hash, which tells people nothing, comes last.
std::string metadata_difference(const json& wanted, const json& observed) {
  for (const char* part : {"labels", "annotations", "ownerReferences"}) {
    json value = api::member_at(wanted, {"metadata", part});
    if (value.is_object()) value.erase(kAppliedHash);
    if (value.empty()) continue;
    if (auto found = difference(value, api::member_at(observed, {"metadata", part}), std::string("metadata.") + part)) {
      return *found;
    }
  }
  const auto hash_of = [](const json& object) {
    return api::text_of(api::member_at(object, {"metadata", "annotations"}), kAppliedHash);
  };
  const std::string hash = hash_of(wanted);
  return hash.empty() || hash == hash_of(observed) ? "" : hash_path();
}

}  // namespace

const char* list_key(const json& list) {
  for (const char* key : {"name", "mountPath", "uid"}) {
    bool all = !list.empty();
    for (const json& entry : list) all = all && entry.is_object() && entry.contains(key);
    if (all) return key;
  }
  return nullptr;
}

std::string first_drift(std::string_view manifest_body, std::string_view observed) {
  const json wanted = api::parse_or_null(manifest_body);
  const json other = api::parse_or_null(observed);
  for (const char* part : {"spec", "data", "type"}) {
    if (!wanted.contains(part)) continue;
    if (auto found = difference(wanted[part], api::member(other, part), part)) return *found;
  }
  return metadata_difference(wanted, other);
}

std::string in_words(const std::string& drift) {
  return drift == hash_path() ? "it holds what is no longer wanted" : drift + " differs";
}

std::string first_metadata_drift(std::string_view manifest_body, std::string_view observed) {
  return metadata_difference(api::parse_or_null(manifest_body), api::parse_or_null(observed));
}

}  // namespace imageclassifier::resources
