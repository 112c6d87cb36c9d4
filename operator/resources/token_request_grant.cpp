#include "operator/resources/token_request_grant.hpp"

#include <nlohmann/json.hpp>
#include <string_view>

namespace imageclassifier::resources {
namespace {

using nlohmann::json;

constexpr const char* kGroup = "rbac.authorization.k8s.io";
/// Of the Role, before the account's name.
constexpr const char* kPrefix = "imageclassifier-operator-";

json object(const char* kind, const std::string& name, const std::string& space) {
  json result = {{"apiVersion", std::string(kGroup) + "/v1"}, {"kind", kind}, {"metadata", {{"name", name}}}};
  if (!space.empty()) result["metadata"]["namespace"] = space;
  return result;
}

/// YAML takes no text for anything else that begins so and goes on with what names of Kubernetes are made of; "no",
/// "on" and the like are shorter.
bool is_plain(std::string_view text) {
  constexpr std::string_view kNames = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./-";
  return text.size() > 5 && text.find_first_of("0123456789.-/") != 0 &&
         text.find_first_not_of(kNames) == std::string_view::npos;
}

std::string flow_yaml(const json& value) {
  if (value.is_string()) return is_plain(value.get_ref<const std::string&>()) ? value.get<std::string>() : value.dump();
  std::string out(value.is_object() ? "{" : "[");
  for (const auto& [key, member] : value.items()) {
    if (out.size() > 1) out += ", ";
    if (value.is_object()) out += key + ": ";
    out += flow_yaml(member);
  }
  return out + (value.is_object() ? "}" : "]");
}

}  // namespace

json token_request_grant(const api::ImageClassifier& classifier, const OperatorAccount& account) {
  const auto* workload = std::get_if<api::WorkloadIdentity>(&classifier.spec.auth);
  if (workload == nullptr) return nullptr;
  const std::string name = kPrefix + workload->service_account_name;
  json role = object("Role", name, classifier.metadata.namespace_name);
  role["rules"] = {{{"apiGroups", {""}},
                    {"resources", {"serviceaccounts/token"}},
                    {"resourceNames", {workload->service_account_name}},
                    {"verbs", {"create"}}}};
  json binding = object("RoleBinding", name, classifier.metadata.namespace_name);
  binding["roleRef"] = {{"apiGroup", kGroup}, {"kind", "Role"}, {"name", name}};
  binding["subjects"] = {{{"kind", "ServiceAccount"}, {"name", account.name}, {"namespace", account.namespace_name}}};
  return {{"apiVersion", "v1"}, {"kind", "List"}, {"items", {role, binding}}};
}

std::string token_request_grant_line(const api::ImageClassifier& classifier, const OperatorAccount& account) {
  const json list = token_request_grant(classifier, account);
  return list.is_null() ? std::string() : flow_yaml(list);
}

}  // namespace imageclassifier::resources
