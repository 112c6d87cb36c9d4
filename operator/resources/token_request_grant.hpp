#pragma once

#include <string>
#include <string_view>

#include "common/result.hpp"
#include "operator/api/image_classifier.hpp"

namespace imageclassifier::cli {

/// By default that of the chart's documentation.
struct OperatorAccount {
  std::string namespace_name = "imageclassifier-system";
  std::string name = "imageclassifier-operator";
};

/// "NAMESPACE:NAME", as kubectl writes the subjects of a RoleBinding.
Result<OperatorAccount> parse_account(std::string_view text);

/// YAML of the Role and the RoleBinding that let the operator ask for tokens of the ServiceAccount that
/// spec.registry.auth.workloadIdentity names; empty without it. The operator gives itself no such right: with it, it
/// could act as the account. `account`: the operator's.
std::string token_request_grant(const api::ImageClassifier& classifier, const OperatorAccount& account);

}  // namespace imageclassifier::cli
