#include <nlohmann/json.hpp>

#include "operator/api/json_access.hpp"
#include "operator/resources/builders.hpp"

namespace imageclassifier::resources {
namespace {

constexpr int kDnsPort = 53;

/// The operator's pods, wherever they run: they ask every server whether it answers.
nlohmann::json operator_peer() {
  return {{"namespaceSelector", nlohmann::json::object()},
          {"podSelector", {{"matchLabels", {{"app.kubernetes.io/name", kManagedBy}}}}}};
}

nlohmann::json ingress_of(const api::NetworkPolicySpec& policy) {
  nlohmann::json rule = {{"ports", {{{"port", kContainerPort}, {"protocol", "TCP"}}}}};
  nlohmann::json peers = api::parse_or_null(policy.allow_from_json);
  if (peers.is_array() && !peers.empty()) {
    peers.push_back(operator_peer());
    rule["from"] = std::move(peers);
  }
  return nlohmann::json::array({std::move(rule)});
}

}  // namespace

Manifest build_network_policy(const api::ImageClassifier& classifier) {
  nlohmann::json object = child_skeleton(classifier, Kind::kNetworkPolicy, classifier.metadata.name);
  object["spec"] = {
      {"podSelector", {{"matchLabels", selector_labels(classifier)}}},
      {"policyTypes", {"Ingress", "Egress"}},
      {"ingress", ingress_of(classifier.spec.network_policy)},
      // Anywhere, because a node's DNS cache has a link-local address.
      {"egress",
       {{{"ports", {{{"port", kDnsPort}, {"protocol", "UDP"}}, {{"port", kDnsPort}, {"protocol", "TCP"}}}}}}}};
  return finish(Kind::kNetworkPolicy, std::move(object));
}

}  // namespace imageclassifier::resources
