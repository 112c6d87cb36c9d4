#include "operator/resources/mounts.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <variant>

#include "operator/api/json_access.hpp"

namespace imageclassifier::resources {
namespace {

using nlohmann::json;

constexpr const char* kUrlVariable = "INFERENCE_FETCH_URL";
constexpr const char* kModelFolder = "/mnt/model";
constexpr const char* kModelFile = "model.safetensors";
constexpr const char* kLabelsFolder = "/mnt/labels";
constexpr const char* kLabelsFile = "labels.txt";
constexpr const char* kAuthorityFolder = "/mnt/model-ca";
constexpr const char* kAuthorityFile = "ca.pem";
constexpr const char* kAccessVolume = "access";
constexpr const char* kAccessFolder = "/mnt/access";
constexpr const char* kTlsVolume = "tls";
constexpr const char* kTlsFolder = "/mnt/tls";
constexpr const char* kSelfTestFolder = "/mnt/self-test";
constexpr const char* kSelfTestFile = "picture";
/// Several times the largest network that is served; the volume has room for just that.
constexpr const char* kMaximumModelBytes = "2000000000";
constexpr const char* kModelVolumeSize = "2Gi";
constexpr int kHttpsPort = 443;

std::string path(const char* folder, const char* file) {
  return std::string(folder) + "/" + file;
}

/// One key of an object as a file; the other keys are not mounted.
json item(const std::string& key, const char* file) {
  return {{"key", key}, {"path", file}};
}

std::string config_map(const api::ConfigMapKey& from, const char* file) {
  return json{{"configMap", {{"name", from.name}, {"items", json::array({item(from.key, file)})}}}}.dump();
}

/// Keys of a Secret as files of the same names.
std::string secret(const std::string& name, const char* first_key, const char* second_key) {
  const json items = json::array({item(first_key, first_key), item(second_key, second_key)});
  return json{{"secret", {{"secretName", name}, {"items", items}}}}.dump();
}

Reference reference_to(const api::ConfigMapKey& from, const char* field) {
  return {Reference::Kind::kConfigMap, from.name, from.key, field};
}

/// The Secret that a volume of a pod template is; empty: there is no such volume.
std::string secret_of(const json& pod_template, const char* volume) {
  for (const json& each : api::member_at(pod_template, {"spec", "volumes"})) {
    if (api::text_of(each, "name") == volume) return api::text_of(api::member(each, "secret"), "secretName");
  }
  return {};
}

int port_of(std::string_view authority) {
  authority.remove_prefix(std::min(authority.size(), authority.find("//") + 2));
  authority = authority.substr(0, authority.find_first_of("/?#"));
  authority = authority.substr(authority.rfind('@') + 1);
  const std::size_t colon = authority.rfind(':');
  int port = kHttpsPort;
  if (colon != std::string_view::npos && authority.back() != ']') {
    std::from_chars(authority.data() + colon + 1, authority.data() + authority.size(), port);
  }
  return port;
}

}  // namespace

const char* to_string(Reference::Kind kind) noexcept {
  switch (kind) {
    case Reference::Kind::kConfigMap:
      return "ConfigMap";
    case Reference::Kind::kSecret:
      return "Secret";
    case Reference::Kind::kPersistentVolumeClaim:
      return "PersistentVolumeClaim";
  }
  return "";
}

std::vector<Reference> references(const api::ImageClassifier& classifier) {
  const api::ModelSpec& model = classifier.spec.model;
  std::vector<Reference> list;
  if (const auto* claim = std::get_if<api::VolumeFile>(&model.source)) {
    list.push_back(
        {Reference::Kind::kPersistentVolumeClaim, claim->claim_name, {}, "spec.model.source.persistentVolumeClaim"});
  }
  if (const auto* url = std::get_if<api::ModelUrl>(&model.source); url != nullptr && url->ca_bundle) {
    list.push_back(reference_to(*url->ca_bundle, "spec.model.source.url.caBundle"));
  }
  if (model.labels) list.push_back(reference_to(*model.labels, "spec.model.labels"));
  const api::ServiceSpec& service = classifier.spec.service;
  if (api::serves_tls(service)) {
    list.push_back({Reference::Kind::kSecret, service.tls_secret_name, {}, kTlsField});
  }
  if (!service.authentication.secret_name.empty()) {
    list.push_back({Reference::Kind::kSecret, service.authentication.secret_name, {}, kAuthenticationField});
  }
  const auto& self_test = classifier.spec.self_test;
  if (self_test && self_test->picture) list.push_back(reference_to(*self_test->picture, "spec.selfTest.image"));
  return list;
}

std::vector<Mount> mounts(const api::ImageClassifier& classifier) {
  const api::ModelSpec& model = classifier.spec.model;
  std::vector<Mount> list;
  if (const auto* claim = std::get_if<api::VolumeFile>(&model.source)) {
    const json source = {{"persistentVolumeClaim", {{"claimName", claim->claim_name}, {"readOnly", true}}}};
    list.push_back({"model", kModelFolder, source.dump()});
  }
  if (const auto* url = std::get_if<api::ModelUrl>(&model.source)) {
    const json source = {{"emptyDir", {{"sizeLimit", kModelVolumeSize}}}};
    list.push_back({"model", kModelFolder, source.dump(), true, true});
    if (url->ca_bundle) {
      list.push_back({"model-ca", kAuthorityFolder, config_map(*url->ca_bundle, kAuthorityFile), false, true});
    }
  }
  if (model.labels) list.push_back({"labels", kLabelsFolder, config_map(*model.labels, kLabelsFile)});
  if (const std::string access = wanted_access_secret(classifier); !access.empty()) {
    list.push_back({kAccessVolume, kAccessFolder, secret(access, "username", "password")});
  }
  if (const std::string& tls = classifier.spec.service.tls_secret_name; !tls.empty()) {
    list.push_back({kTlsVolume, kTlsFolder, secret(tls, "tls.crt", "tls.key")});
  }
  const auto& self_test = classifier.spec.self_test;
  if (self_test && self_test->picture) {
    list.push_back({"self-test", kSelfTestFolder, config_map(*self_test->picture, kSelfTestFile)});
  }
  return list;
}

std::vector<EnvironmentVariable> mount_environment(const api::Spec& spec) {
  const api::ModelSpec& model = spec.model;
  std::vector<EnvironmentVariable> variables;
  if (const auto* claim = std::get_if<api::VolumeFile>(&model.source)) {
    variables.push_back({"INFERENCE_MODEL", kModelFolder + claim->path, {}});
  }
  if (std::holds_alternative<api::ModelUrl>(model.source)) {
    variables.push_back({"INFERENCE_MODEL", path(kModelFolder, kModelFile), {}});
  }
  if (model.labels) variables.push_back({"INFERENCE_LABELS", path(kLabelsFolder, kLabelsFile), {}});
  if (spec.service.authentication.basic) variables.push_back({kAccessVariable, kAccessFolder, {}});
  if (api::serves_tls(spec.service)) {
    variables.push_back({"INFERENCE_TLS_CERTIFICATE", path(kTlsFolder, "tls.crt"), {}});
    variables.push_back({"INFERENCE_TLS_KEY", path(kTlsFolder, "tls.key"), {}});
  }
  if (const auto& self_test = spec.self_test) {
    const std::string picture = self_test->picture ? path(kSelfTestFolder, kSelfTestFile) : self_test->picture_path;
    variables.push_back({"INFERENCE_SELF_TEST_IMAGE", picture, {}});
    variables.push_back({"INFERENCE_SELF_TEST_LABEL", self_test->expected_label, {}});
    variables.push_back({"INFERENCE_SELF_TEST_MINIMUM_SCORE", self_test->minimum_score, {}});
  }
  return variables;
}

std::vector<EnvironmentVariable> fetch_environment(const api::Spec& spec) {
  const auto* url = std::get_if<api::ModelUrl>(&spec.model.source);
  if (url == nullptr) return {};
  std::vector<EnvironmentVariable> variables = {{kUrlVariable, url->url, {}},
                                                {"INFERENCE_FETCH_SHA256", spec.model.sha256, {}},
                                                {"INFERENCE_FETCH_DIRECTORY", kModelFolder, {}},
                                                {"INFERENCE_FETCH_NAME", kModelFile, {}},
                                                {"INFERENCE_FETCH_MAX_BYTES", kMaximumModelBytes, {}}};
  if (url->ca_bundle) {
    variables.push_back({"INFERENCE_FETCH_CA_FILE", path(kAuthorityFolder, kAuthorityFile), {}});
  }
  return variables;
}

std::optional<int> model_port(const api::Spec& spec) {
  const auto* url = std::get_if<api::ModelUrl>(&spec.model.source);
  if (url == nullptr) return std::nullopt;
  return port_of(url->url);
}

std::optional<int> model_port(const nlohmann::json& pod_template) {
  for (const nlohmann::json& container : api::member_at(pod_template, {"spec", "initContainers"})) {
    for (const nlohmann::json& variable : api::member(container, "env")) {
      if (api::text_of(variable, "name") == kUrlVariable) return port_of(api::text_of(variable, "value"));
    }
  }
  return std::nullopt;
}

bool asks_for_password(const nlohmann::json& pod_template) {
  for (const nlohmann::json& container : api::member_at(pod_template, {"spec", "containers"})) {
    for (const nlohmann::json& variable : api::member(container, "env")) {
      if (api::text_of(variable, "name") == kAccessVariable) return true;
    }
  }
  return false;
}

std::string tls_secret(const nlohmann::json& pod_template) {
  return secret_of(pod_template, kTlsVolume);
}

std::string callers_secret(const nlohmann::json& pod_template) {
  return secret_of(pod_template, kAccessVolume);
}

}  // namespace imageclassifier::resources
