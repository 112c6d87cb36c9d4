#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace imageclassifier::resources {

/// Whether an observed object no longer holds what `manifest_body` says: the path of the first difference
/// ("spec.replicas"), or empty if everything that we own is as we want it. Fields that the manifest does not name are
/// foreign and ignored; lists of named things are compared by name, so that foreign entries are ignored too; quantities
/// are compared by value.
///
/// `observed` may be a whole object or api::owned_part of it; apiVersion, kind, name and namespace are not compared.
std::string first_drift(std::string_view manifest_body, std::string_view observed);

/// The same of labels, annotations and owner references alone: for an object of which no more is kept.
std::string first_metadata_drift(std::string_view manifest_body, std::string_view observed);

/// What such a difference is for people: "spec.replicas differs". Where nothing differs but the hash of the manifest, a
/// field is there that the manifest held before.
std::string in_words(const std::string& drift);

/// The member that tells the entries of a list apart, in the API's own terms; nullptr if it is no list of named things.
const char* list_key(const nlohmann::json& list);

}  // namespace imageclassifier::resources
