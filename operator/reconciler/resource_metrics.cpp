#include "operator/reconciler/resource_metrics.hpp"

#include <array>
#include <map>
#include <string_view>
#include <vector>

#include "common/guarded.hpp"
#include "operator/diagnosis/reasons.hpp"
#include "operator/reconciler/mint_finding.hpp"

namespace imageclassifier::reconciler {
namespace {

constexpr std::size_t kMostExpiries = 10000;
constexpr std::array kTypes = {"Ready", "CredentialReady", "ImageResolved", "WorkloadAvailable", "EndpointReady"};
constexpr std::array kStates = {"node_identity", "valid", "stale", "expired", "pending", "failed"};
constexpr const char* kExpiry = "imageclassifier_registry_token_expiry_timestamp_seconds";

const char* state_of(const api::Condition& credential) {
  if (credential.reason == "NodeIdentity") return "node_identity";
  if (is_rotation_failing(credential.reason)) return "stale";
  if (credential.reason == "Expired") return "expired";
  if (credential.status == "True") return "valid";
  return credential.status == "Unknown" ? "pending" : "failed";
}

struct Told {
  std::vector<Gauge*> counted;
  MetricLabels expiry;  ///< empty: none is told
};

}  // namespace

struct ResourceMetrics::Impl {
  explicit Impl(MetricsRegistry& metrics_in) : metrics(metrics_in) {
    for (const char* state : kStates) states(state);
  }

  Gauge& states(const char* state) {
    return metrics.gauge("imageclassifier_credential_state", "Resources by the state of their registry credential.",
                         {{"state", state}});
  }

  /// Counts before it takes back: nobody may read that there is none, which would end an alert.
  void count(Told& told, std::vector<Gauge*> gauges) {
    for (Gauge* gauge : gauges) gauge->add(1);
    for (Gauge* gauge : told.counted) gauge->add(-1);
    told.counted = std::move(gauges);
  }

  void end_expiry(Told& told) {
    if (told.expiry.empty()) return;
    metrics.remove_gauge(kExpiry, told.expiry);
    told.expiry.clear();
    --expiries;
  }

  void tell_expiry(Told& told, MetricLabels labels, WallTime expires) {
    if (told.expiry != labels) {
      end_expiry(told);
      if (expiries >= kMostExpiries) return;
      ++expiries;
      told.expiry = std::move(labels);
    }
    metrics.gauge(kExpiry, "When the minted credential of a resource ends.", told.expiry)
        .set(std::chrono::duration<double>(expires.time_since_epoch()).count());
  }

  MetricsRegistry& metrics;
  std::size_t expiries = 0;  ///< under the lock of `all`
  Guarded<std::map<runtime::ObjectKey, Told>> all;
};

ResourceMetrics::ResourceMetrics(MetricsRegistry& metrics) : impl_(std::make_unique<Impl>(metrics)) {}
ResourceMetrics::~ResourceMetrics() = default;

void ResourceMetrics::tell(const runtime::ObjectKey& key, const api::Status& status, const std::string& server,
                           std::optional<WallTime> expires) {
  auto all = impl_->all.lock();
  Told& told = (*all)[key];
  std::vector<Gauge*> gauges;
  for (const char* type : kTypes) {
    const api::Condition* condition = api::find_condition(status.conditions, type);
    const auto* reason = condition == nullptr ? nullptr : diagnosis::find_reason(condition->reason);
    if (reason == nullptr) continue;
    gauges.push_back(&impl_->metrics.gauge("imageclassifier_conditions", "Resources by the reason of a condition.",
                                           {{"type", type}, {"reason", std::string(reason->name)}}));
  }
  if (const api::Condition* credential = api::find_condition(status.conditions, "CredentialReady"))
    gauges.push_back(&impl_->states(state_of(*credential)));
  impl_->count(told, std::move(gauges));
  if (expires) {
    impl_->tell_expiry(told, {{"namespace", key.namespace_name}, {"name", key.name}, {"server", server}}, *expires);
  } else {
    impl_->end_expiry(told);
  }
}

void ResourceMetrics::forget(const runtime::ObjectKey& key) {
  auto all = impl_->all.lock();
  const auto found = all->find(key);
  if (found == all->end()) return;
  impl_->count(found->second, {});
  impl_->end_expiry(found->second);
  all->erase(found);
}

void ResourceMetrics::forget_all() {
  auto all = impl_->all.lock();
  for (auto& [key, told] : *all) {
    impl_->count(told, {});
    impl_->end_expiry(told);
  }
  all->clear();
}

}  // namespace imageclassifier::reconciler
