#include "operator/diagnosis/load_balancer.hpp"

#include <algorithm>
#include <array>

#include "operator/api/time.hpp"
#include "operator/diagnosis/event_pattern.hpp"

namespace imageclassifier::diagnosis {
namespace {

// First hit wins. MetalLB's, the cloud controllers' and Azure's own words.
constexpr std::array kPatterns = {
    EventPattern{"AllocationFailed", "no available IPs", "LoadBalancerAddressesExhausted"},
    EventPattern{"", "PublicIPCountLimitReached", "QuotaExceeded"},
    EventPattern{"", "MaxPublicIpCountLimitReached", "QuotaExceeded"},
    EventPattern{"", "QuotaExceeded", "QuotaExceeded"},
    EventPattern{"", "quotaExceeded", "QuotaExceeded"},
    EventPattern{"", "LinkedAuthorizationFailed", "LoadBalancerForbidden"},
    EventPattern{"", "AuthorizationFailed", "LoadBalancerForbidden"},
    EventPattern{"", "Basic sku publicIP", "PublicIPInvalid"},
    EventPattern{"", "was not found in resource group", "PublicIPNotFound"},
    EventPattern{"", "SubnetIsFull", "SubnetFull"},
    EventPattern{"", "does not have enough capacity", "SubnetFull"},
    EventPattern{"", "failed to get subnet", "SubnetInvalid"},
    EventPattern{"", "InvalidResourceReference", "SubnetInvalid"},
    EventPattern{"", "consuming the DNS label", "DNSLabelConflict"},
    EventPattern{"", "DnsRecordInUse", "DNSLabelConflict"},
    EventPattern{"", "total probe should be less than", "ProbeConfigInvalid"},
    EventPattern{"", "health-probe", "ProbeConfigInvalid"},
    EventPattern{"SyncLoadBalancerFailed", "", "CloudProviderError"},
    EventPattern{"UnAvailableLoadBalancer", "", "LoadBalancerFailed"},
    EventPattern{"AllocationFailed", "", "LoadBalancerFailed"},
    EventPattern{"CreateOrUpdatePublicIPAddress", "", "CloudProviderError"},
    EventPattern{"CreateOrUpdateInterface", "", "CloudProviderError"},
    EventPattern{"ListLoadBalancers", "", "CloudProviderError"},
    EventPattern{"LoadBalancerBackendPoolUpdateFailed", "", "CloudProviderError"},
    EventPattern{"FailedToFindLoadBalancerForNode", "", "CloudProviderError"},
};

/// Reasons that only this diagnosis gives for a Service without an address.
bool is_load_balancer_reason(std::string_view name) {
  return std::any_of(kPatterns.begin(), kPatterns.end(),
                     [&](const EventPattern& pattern) { return pattern.reason == name; });
}

/// The part of a message that names the cause, without ids: clouds put those in quotes or behind a few known words.
std::string stable_detail(std::string_view message) {
  for (const std::string_view prefix : {"Error syncing load balancer: ", "failed to ensure load balancer: "}) {
    if (message.starts_with(prefix)) message.remove_prefix(prefix.size());
  }
  for (const std::string_view id : {"Correlation ID", "CorrelationId", "RequestId", "RequestID", "Trace ID",
                                    "Timestamp", "Request ID", "request id"}) {
    message = message.substr(0, message.find(id));
  }
  while (!message.empty() && (message.back() == '.' || message.back() == ' ' || message.back() == ',')) {
    message.remove_suffix(1);
  }
  return clean_text(message, 300);
}

}  // namespace

LoadBalancerDiagnosis diagnose_load_balancer(const api::Service& service, const std::vector<const api::Event*>& events,
                                             WallTime now, std::string_view known_reason) {
  const std::string& name = service.metadata.name;
  const auto finding = [&](std::string_view reason, std::string_view detail) {
    Finding made = make_finding(reason, {{"service", name}, {"detail", detail}});
    made.object = "Service " + name;
    return made;
  };
  const api::Event* newest = nullptr;
  const EventPattern* cause = nullptr;
  bool heard = false;
  for (const api::Event* event : events) {
    if (event->involved_uid != service.metadata.uid) continue;
    heard = true;
    const EventPattern* pattern = match(kPatterns, *event);
    if (pattern == nullptr || (newest != nullptr && newest->last_seen >= event->last_seen)) continue;
    newest = event;
    cause = pattern;
  }
  if (cause != nullptr) return {finding(cause->reason, stable_detail(newest->message)), std::nullopt, false};
  if (is_load_balancer_reason(known_reason)) return {finding(known_reason, "see its events"), std::nullopt, true};
  const auto created = api::parse_rfc3339(service.metadata.creation_timestamp);
  if (!heard && created) {
    const Duration age = now - *created;
    if (age >= kProviderSilence) return {finding("NoLoadBalancerProvider", {}), std::nullopt, false};
    return {finding("LoadBalancerPending", {}), kProviderSilence - age, false};
  }
  return {finding("LoadBalancerPending", {}), std::nullopt, false};
}

}  // namespace imageclassifier::diagnosis
