#include "operator/resources/revision.hpp"

#include <nlohmann/json.hpp>
#include <set>

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

/// Those of ours that the pods mount or pull with.
std::string named_secrets(const api::ImageClassifier& classifier, const json& pods) {
  const json& spec = api::member(pods, "spec");
  std::set<std::string> named;
  for (const json& volume : api::member(spec, "volumes")) {
    named.insert(api::text_of(api::member(volume, "secret"), "secretName"));
  }
  for (const json& pull : api::member(spec, "imagePullSecrets")) named.insert(api::text_of(pull, "name"));
  std::string names;
  for (const std::string& name : {pull_secret_name(classifier), access_secret_name(classifier)}) {
    if (named.contains(name)) names += (names.empty() ? "" : ",") + name;
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

std::string images_of(const json& pod_template) {
  std::set<std::string> images;
  for (const char* list : {"containers", "initContainers"}) {
    for (const json& container : api::member_at(pod_template, {"spec", list}))
      images.insert(api::text_of(container, "image"));
  }
  std::string text;
  for (const std::string& image : images) text += (text.empty() ? "" : ",") + image;
  return text;
}

UsedSecrets used_secrets(const PodRevision& revision) {
  const json pods = api::parse_or_null(revision.template_json);
  UsedSecrets used;
  const json& pull = api::member_at(pods, {"spec", "imagePullSecrets"});
  if (pull.is_array() && !pull.empty()) used.pull = api::text_of(pull.front(), "name");
  used.access = callers_secret(pods);
  return used;
}

Manifest build_revision(const api::ImageClassifier& classifier, const PodRevision& revision,
                        const api::RevisionMarks& marks) {
  json object = child_skeleton(classifier, Kind::kControllerRevision, revision.name);
  json& annotations = object["metadata"]["annotations"];
  annotations[api::kNumberAnnotation] = std::to_string(marks.number);
  annotations[api::kSpecificationAnnotation] = marks.specification;
  if (marks.completed > 0) annotations[api::kCompletedAnnotation] = std::to_string(marks.completed);
  if (!marks.failure.empty()) annotations[api::kFailureAnnotation] = marks.failure;
  json pods = api::parse_or_null(revision.template_json);
  annotations[api::kImagesAnnotation] = images_of(pods);
  const std::string secrets = named_secrets(classifier, pods);
  if (!secrets.empty()) annotations[api::kSecretsAnnotation] = secrets;
  if (asks_for_password(pods)) annotations[api::kAuthenticationAnnotation] = "Basic";
  if (const auto port = model_port(pods)) annotations[api::kModelPortAnnotation] = std::to_string(*port);
  if (const std::string tls = tls_secret(pods); !tls.empty()) annotations[api::kTlsSecretAnnotation] = tls;
  object["data"] = {{"spec", {{"template", std::move(pods)}}}};
  object["revision"] = marks.number;
  Manifest manifest = finish(Kind::kControllerRevision, std::move(object));
  manifest.body = as_go_writes(manifest.body);
  return manifest;
}

}  // namespace imageclassifier::resources
