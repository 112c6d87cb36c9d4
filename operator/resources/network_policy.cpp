#include <nlohmann/json.hpp>

#include "operator/api/json_access.hpp"
#include "operator/resources/builders.hpp"
#include "operator/resources/mounts.hpp"

namespace imageclassifier::resources {
namespace {

constexpr int kDnsPort = 53;

nlohmann::json ingress_of(const api::NetworkPolicySpec& policy) {
  nlohmann::json rule = {{"ports", {{{"port", kContainerPort}, {"protocol", "TCP"}}}}};
  nlohmann::json peers = api::parse_or_null(policy.allow_from_json);
  if (peers.is_array() && !peers.empty()) {
    peers.push_back(operator_peer());
    rule["from"] = std::move(peers);
  }
  return nlohmann::json::array({std::move(rule)});
}

nlohmann::json egress_of(const std::set<int>& model_ports) {
  // Anywhere, because a node's DNS cache has a link-local address.
  nlohmann::json rules = {
      {{"ports", {{{"port", kDnsPort}, {"protocol", "UDP"}}, {{"port", kDnsPort}, {"protocol", "TCP"}}}}}};
  if (!model_ports.empty()) {
    nlohmann::json ports = nlohmann::json::array();
    for (const int port : model_ports) ports.push_back({{"port", port}, {"protocol", "TCP"}});
    // Not to the metadata services of clouds, which give credentials away.
    const nlohmann::json anywhere = {{"cidr", "0.0.0.0/0"}, {"except", {"169.254.0.0/16"}}};
    rules.push_back({{"ports", std::move(ports)}, {"to", {{{"ipBlock", anywhere}}}}});
  }
  return rules;
}

}  // namespace

nlohmann::json operator_peer() {
  return {{"namespaceSelector", nlohmann::json::object()},
          {"podSelector", {{"matchLabels", {{"app.kubernetes.io/name", kManagedBy}}}}}};
}

Manifest build_network_policy(const api::ImageClassifier& classifier, const api::NetworkPolicySpec& policy,
                              std::set<int> other_model_ports) {
  std::set<int> model_ports = std::move(other_model_ports);
  if (const auto port = model_port(classifier.spec)) model_ports.insert(*port);
  nlohmann::json object = child_skeleton(classifier, Kind::kNetworkPolicy, classifier.metadata.name);
  object["spec"] = {{"podSelector", {{"matchLabels", selector_labels(classifier)}}},
                    {"policyTypes", {"Ingress", "Egress"}},
                    {"ingress", ingress_of(policy)},
                    {"egress", egress_of(model_ports)}};
  return finish(Kind::kNetworkPolicy, std::move(object));
}

}  // namespace imageclassifier::resources
