#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/clock.hpp"
#include "common/metrics.hpp"
#include "operator/api/image_classifier.hpp"
#include "operator/runtime/object_key.hpp"

namespace imageclassifier::reconciler {

/// What metrics tell of the resources that this process works on, as of the last pass over each:
///
/// - imageclassifier_conditions{type,reason}: how many resources have this reason in this condition.
/// - imageclassifier_credential_state{state}: how many resources' credentials are in this state.
/// - imageclassifier_registry_token_expiry_timestamp_seconds{namespace,name,server}: the one metric that names
///   resources, those with a minted credential; of at most 10,000 of them.
///
/// Thread safe; `metrics` must outlive it.
class ResourceMetrics {
 public:
  explicit ResourceMetrics(MetricsRegistry& metrics);
  ~ResourceMetrics();
  ResourceMetrics(const ResourceMetrics&) = delete;
  ResourceMetrics& operator=(const ResourceMetrics&) = delete;

  /// `expires`: of a credential that was minted for `server` and is in its Secret.
  void tell(const runtime::ObjectKey& key, const api::Status& status, const std::string& server,
            std::optional<WallTime> expires);
  void forget(const runtime::ObjectKey& key);
  void forget_all();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace imageclassifier::reconciler
