#include "operator/resources/revision.hpp"

#include <nlohmann/json.hpp>

#include "common/sha256.hpp"
#include "operator/api/json_access.hpp"
#include "operator/resources/builders.hpp"
#include "operator/resources/drift.hpp"
#include "operator/resources/mounts.hpp"

namespace imageclassifier::resources {
namespace {

using nlohmann::json;

/// Lists of named things as objects: what is added to them moves nothing.
json by_name(const json& value) {
  if (value.is_object()) {
    json result = json::object();
    for (const auto& [name, member] : value.items()) result[name] = by_name(member);
    return result;
  }
  if (!value.is_array()) return value;
  const char* key = list_key(value);
  json result = key == nullptr ? json::array() : json::object();
  for (const json& entry : value) {
    if (key == nullptr) {
      result.push_back(by_name(entry));
    } else {
      result[api::text_of(entry, key)] = by_name(entry);
    }
  }
  return result;
}

/// As Go writes JSON. The API server compares the bytes of `data`, which must not change, with what it has written anew
/// itself after a patch.
std::string as_go_writes(const std::string& text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view rest = std::string_view(text).substr(i);
    if (text[i] == '<') {
      result += "\\u003c";
    } else if (text[i] == '>') {
      result += "\\u003e";
    } else if (text[i] == '&') {
      result += "\\u0026";
    } else if (rest.starts_with("\u2028") || rest.starts_with("\u2029")) {
      result += rest.starts_with("\u2028") ? "\\u2028" : "\\u2029";
      i += 2;
    } else {
      result += text[i];
    }
  }
  return result;
}

std::string named_secrets(const api::ImageClassifier& classifier, const std::string& template_json) {
  std::string names;
  for (const std::string& name : {pull_secret_name(classifier), access_secret_name(classifier)}) {
    if (template_json.find('"' + name + '"') == std::string::npos) continue;
    names += (names.empty() ? "" : ",") + name;
  }
  return names;
}

}  // namespace

PodRevision pod_revision(const api::ImageClassifier& classifier) {
  PodRevision revision;
  revision.template_json = pod_template(classifier).dump();
  revision.name = classifier.metadata.name + "-" + sha256_hex(revision.template_json).substr(0, 10);
  return revision;
}

std::string specification_digest(const api::ImageClassifier& classifier) {
  api::ImageClassifier empty;
  empty.metadata = classifier.metadata;
  const json ours = by_name(pod_template(classifier)).flatten();
  const json everybodys = by_name(pod_template(empty)).flatten();
  json own = json::object();
  for (const auto& [path, value] : ours.items()) {
    const auto other = everybodys.find(path);
    if (other == everybodys.end() || *other != value) own[path] = value;
  }
  for (const auto& [path, value] : everybodys.items()) {
    if (ours.find(path) == ours.end()) own[path] = nullptr;
  }
  return sha256_hex(own.dump()).substr(0, 16);
}

Manifest build_revision(const api::ImageClassifier& classifier, const PodRevision& revision,
                        const api::RevisionMarks& marks) {
  json object = child_skeleton(classifier, Kind::kControllerRevision, revision.name);
  json& annotations = object["metadata"]["annotations"];
  annotations[api::kNumberAnnotation] = std::to_string(marks.number);
  annotations[api::kSpecificationAnnotation] = marks.specification;
  if (marks.completed > 0) annotations[api::kCompletedAnnotation] = std::to_string(marks.completed);
  if (!marks.failure.empty()) annotations[api::kFailureAnnotation] = marks.failure;
  const std::string secrets = named_secrets(classifier, revision.template_json);
  if (!secrets.empty()) annotations[api::kSecretsAnnotation] = secrets;
  const bool guarded = revision.template_json.find(kAccessVariable) != std::string::npos;
  if (guarded) annotations[api::kAuthenticationAnnotation] = "Basic";
  json pods = api::parse_or_null(revision.template_json);
  if (const auto port = model_port(pods)) annotations[api::kModelPortAnnotation] = std::to_string(*port);
  object["data"] = {{"spec", {{"template", std::move(pods)}}}};
  object["revision"] = marks.number;
  Manifest manifest = finish(Kind::kControllerRevision, std::move(object));
  manifest.body = as_go_writes(manifest.body);
  return manifest;
}

}  // namespace imageclassifier::resources
