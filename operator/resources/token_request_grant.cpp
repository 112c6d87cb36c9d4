#include "operator/cli/token_request_grant.hpp"

#include <nlohmann/json.hpp>

#include "operator/cli/yaml.hpp"

namespace imageclassifier::cli {
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

}  // namespace

Result<OperatorAccount> parse_account(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view space = text.substr(0, colon);
  const std::string_view name = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyz0123456789-.";
  for (const std::string_view part : {space, name}) {
    if (part.empty() || part.find_first_not_of(kPlain) != std::string_view::npos)
      return fail(ErrorCode::kInvalidArgument, "--operator \"" + std::string(text) +
                                                   "\" names no ServiceAccount: write NAMESPACE:NAME, as kubectl get "
                                                   "serviceaccounts -A shows them.");
  }
  return OperatorAccount{std::string(space), std::string(name)};
}

std::string token_request_grant(const api::ImageClassifier& classifier, const OperatorAccount& account) {
  const auto* workload = std::get_if<api::WorkloadIdentity>(&classifier.spec.auth);
  if (workload == nullptr) return {};
  const std::string name = kPrefix + workload->service_account_name;
  json role = object("Role", name, classifier.metadata.namespace_name);
  role["rules"] = {{{"apiGroups", {""}},
                    {"resources", {"serviceaccounts/token"}},
                    {"resourceNames", {workload->service_account_name}},
                    {"verbs", {"create"}}}};
  json binding = object("RoleBinding", name, classifier.metadata.namespace_name);
  binding["roleRef"] = {{"apiGroup", kGroup}, {"kind", "Role"}, {"name", name}};
  binding["subjects"] = {{{"kind", "ServiceAccount"}, {"name", account.name}, {"namespace", account.namespace_name}}};
  return "---\n" + write_yaml(role) + "---\n" + write_yaml(binding);
}

}  // namespace imageclassifier::cli
