#include <nlohmann/json.hpp>

#include "operator/api/json_access.hpp"
#include "operator/resources/builders.hpp"
#include "operator/resources/mounts.hpp"

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

nlohmann::json egress_of(const api::Spec& spec) {
  // Anywhere, because a node's DNS cache has a link-local address.
  nlohmann::json rules = {
      {{"ports", {{{"port", kDnsPort}, {"protocol", "UDP"}}, {{"port", kDnsPort}, {"protocol", "TCP"}}}}}};
  if (const auto port = model_port(spec)) {
    // Not to the metadata services of clouds, which give credentials away.
    const nlohmann::json anywhere = {{"cidr", "0.0.0.0/0"}, {"except", {"169.254.0.0/16"}}};
    rules.push_back({{"ports", {{{"port", *port}, {"protocol", "TCP"}}}}, {"to", {{{"ipBlock", anywhere}}}}});
  }
  return rules;
}

}  // namespace

Manifest build_network_policy(const api::ImageClassifier& classifier) {
  nlohmann::json object = child_skeleton(classifier, Kind::kNetworkPolicy, classifier.metadata.name);
  object["spec"] = {{"podSelector", {{"matchLabels", selector_labels(classifier)}}},
                    {"policyTypes", {"Ingress", "Egress"}},
                    {"ingress", ingress_of(classifier.spec.network_policy)},
                    {"egress", egress_of(classifier.spec)}};
  return finish(Kind::kNetworkPolicy, std::move(object));
}

}  // namespace imageclassifier::resources
