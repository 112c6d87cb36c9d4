#include "operator/resources/exposure.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "operator/api/json_access.hpp"
#include "operator/resources/builders.hpp"
#include "operator/resources/ranges.hpp"

namespace imageclassifier::resources {
namespace {

using nlohmann::json;

constexpr const char* kBalanced = "LoadBalancer";

void make_internal(api::ServiceSpec& service) {
  service.scope = "Internal";
  service.dns_label.clear();
  service.public_ip_name.clear();
}

void narrow(api::ServiceSpec& wanted, const api::Service* present) {
  if (wanted.type != kBalanced) return;
  const bool open = wanted.scope == "Public";
  if (present == nullptr || present->type != kBalanced) {
    if (present != nullptr || open) wanted.type = "ClusterIP";
    return;
  }
  const json object = api::parse_or_null(present->owned.text());
  const json& annotations = api::member_at(object, {"metadata", "annotations"});
  if (!api::text_of(annotations, kInternalAnnotation).empty()) make_internal(wanted);
  wanted.source_ranges =
      common_ranges(wanted.source_ranges, api::text_list_of(api::member(object, "spec"), "loadBalancerSourceRanges"));
  if (wanted.scope != "Public") return;
  // Without a password the definition wants networks, and not the one of everybody.
  std::erase_if(wanted.source_ranges, [](const std::string& range) { return range.ends_with("/0"); });
  if (wanted.source_ranges.empty()) make_internal(wanted);
}

/// Without the operator's own; nothing: everybody is let in.
json peers_of(const api::Child& policy) {
  const json object = api::parse_or_null(policy.owned.text());
  json peers = json::array();
  for (const json& rule : api::member_at(object, {"spec", "ingress"})) {
    for (const json& peer : api::member(rule, "from")) {
      if (peer != operator_peer()) peers.push_back(peer);
    }
  }
  return peers;
}

void narrow(api::NetworkPolicySpec& wanted, const api::Child* present) {
  if (present == nullptr) return;
  const json known = peers_of(*present);
  const json asked = wanted.enabled ? api::parse_or_null(wanted.allow_from_json) : json();
  wanted.enabled = true;
  if (known.empty()) return;
  json common = json::array();
  for (const json& peer : asked) {
    if (std::find(known.begin(), known.end(), peer) != known.end()) common.push_back(peer);
  }
  wanted.allow_from_json = (common.empty() ? known : common).dump();
}

}  // namespace

void let_in_no_more(Exposure& wanted, const api::Service* service, const api::Child* network_policy) {
  narrow(wanted.service, service);
  narrow(wanted.network_policy, network_policy);
}

}  // namespace imageclassifier::resources
