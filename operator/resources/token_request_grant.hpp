#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "operator/api/image_classifier.hpp"

namespace imageclassifier::resources {

/// By default that of the chart's documentation.
struct OperatorAccount {
  std::string namespace_name = "imageclassifier-system";
  std::string name = "imageclassifier-operator";
};

/// A List of the Role and the RoleBinding that let the operator ask for tokens of the ServiceAccount that
/// spec.registry.auth.workloadIdentity names; null without it. The operator gives itself no such right: with it, it
/// could act as the account. `account`: the operator's.
nlohmann::json token_request_grant(const api::ImageClassifier& classifier, const OperatorAccount& account);

/// The same as one line of YAML (flow style), for a sentence that people copy from.
std::string token_request_grant_line(const api::ImageClassifier& classifier, const OperatorAccount& account);

}  // namespace imageclassifier::resources
