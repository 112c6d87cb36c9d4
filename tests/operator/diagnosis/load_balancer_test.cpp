#include "operator/diagnosis/load_balancer.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "operator/api/time.hpp"

using namespace imageclassifier;
using namespace imageclassifier::diagnosis;

namespace {

const WallTime kCreated = *api::parse_rfc3339("2026-01-31T08:00:00Z");

api::Service pending() {
  api::Service service;
  service.metadata.name = "pets";
  service.metadata.uid = "service";
  service.metadata.creation_timestamp = "2026-01-31T08:00:00Z";
  return service;
}

api::Event warning(const std::string& reason, const std::string& message,
                   const std::string& seen = "2026-01-31T08:00:01Z") {
  api::Event event;
  event.involved_uid = "service";
  event.type = "Warning";
  event.reason = reason;
  event.message = message;
  event.last_seen = seen;
  return event;
}

std::string reason_of(const std::vector<api::Event>& events, Duration age, std::string_view known = {}) {
  std::vector<const api::Event*> pointers;
  for (const api::Event& event : events) pointers.push_back(&event);
  return std::string(diagnose_load_balancer(pending(), pointers, kCreated + age, known).finding.name());
}

}  // namespace

TEST_CASE("load balancer events are classified by their text") {
  const std::pair<api::Event, const char*> cases[] = {
      {warning("AllocationFailed", "Failed to allocate IP for \"default/pets\": no available IPs"),
       "LoadBalancerAddressesExhausted"},
      {warning("AllocationFailed",
               "Failed to allocate IP for \"default/pets\": [\"10.9.9.9\"] is not allowed in config"),
       "LoadBalancerFailed"},
      {warning("SyncLoadBalancerFailed",
               "Error syncing load balancer: failed to ensure load balancer: ... "
               "\"code\":\"LinkedAuthorizationFailed\" ... publicIPAddresses/join"),
       "LoadBalancerForbidden"},
      {warning("SyncLoadBalancerFailed", "Error syncing load balancer: ... AuthorizationFailed ... subnets/read"),
       "LoadBalancerForbidden"},
      {warning("CreateOrUpdatePublicIPAddress", "Code=\"PublicIPCountLimitReached\""), "QuotaExceeded"},
      {warning("SyncLoadBalancerFailed", "Standard sku load balancer cannot reference Basic sku publicIP"),
       "PublicIPInvalid"},
      {warning("SyncLoadBalancerFailed", "user supplied IP Address 1.2.3.4 was not found in resource group x"),
       "PublicIPNotFound"},
      {warning("SyncLoadBalancerFailed", "Code=\"SubnetIsFull\""), "SubnetFull"},
      {warning("SyncLoadBalancerFailed", "there is an existing service x consuming the DNS label on the public IP"),
       "DNSLabelConflict"},
      {warning("SyncLoadBalancerFailed", "total probe should be less than 120"), "ProbeConfigInvalid"},
      {warning("SyncLoadBalancerFailed", "nic-1 not in Succeeded state"), "CloudProviderError"},
      {warning("UnAvailableLoadBalancer", "There are no available nodes for LoadBalancer"), "LoadBalancerFailed"},
  };
  for (const auto& [event, reason] : cases) {
    INFO(event.message);
    CHECK(reason_of({event}, std::chrono::seconds(5)) == reason);
  }
}

TEST_CASE("a Service that nobody speaks about for two minutes has no provider") {
  CHECK(reason_of({}, std::chrono::seconds(119)) == "LoadBalancerPending");
  CHECK(reason_of({}, std::chrono::seconds(120)) == "NoLoadBalancerProvider");
  const auto early = diagnose_load_balancer(pending(), {}, kCreated + std::chrono::seconds(20), {});
  CHECK(early.look_again == std::chrono::seconds(100));
  api::Event ensuring = warning("EnsuringLoadBalancer", "Ensuring load balancer");
  ensuring.type = "Normal";
  CHECK(reason_of({ensuring}, std::chrono::minutes(10)) == "LoadBalancerPending");
}

TEST_CASE("the newest warning counts and events of an earlier Service of the name do not") {
  const auto full = warning("AllocationFailed", "no available IPs", "2026-01-31T08:00:01Z");
  const auto quota = warning("SyncLoadBalancerFailed", "QuotaExceeded", "2026-01-31T08:00:09Z");
  CHECK(reason_of({quota, full}, std::chrono::seconds(20)) == "QuotaExceeded");
  CHECK(reason_of({full, quota}, std::chrono::seconds(20)) == "QuotaExceeded");
  auto foreign = full;
  foreign.involved_uid = "another";
  CHECK(reason_of({foreign}, std::chrono::seconds(20)) == "LoadBalancerPending");
}

TEST_CASE("a failure outlives its event, which the API server drops after an hour") {
  CHECK(reason_of({}, std::chrono::hours(2), "LoadBalancerAddressesExhausted") == "LoadBalancerAddressesExhausted");
  CHECK(reason_of({}, std::chrono::hours(2), "EndpointUnhealthy") == "NoLoadBalancerProvider");
}

TEST_CASE("ids that change from try to try do not get into the message") {
  const std::string name =
      GENERATE(as<std::string>{}, "Correlation ID: ", "RequestID: ", "status code: 400, request id: ");
  const auto text = [&](const std::string& id) {
    const api::Event event = warning("SyncLoadBalancerFailed", "Error syncing load balancer: it broke. " + name + id);
    return diagnose_load_balancer(pending(), {&event}, kCreated, {}).finding.text();
  };
  CHECK(text("1") == text("2"));
  CHECK(text("1").find("it broke") != std::string::npos);
}
