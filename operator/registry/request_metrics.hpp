#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/clock.hpp"
#include "common/metrics.hpp"
#include "operator/registry/mint.hpp"
#include "operator/registry/preflight.hpp"
#include "operator/registry/settings.hpp"

namespace imageclassifier::registry {

/// imageclassifier_registry_token_rotation_duration_seconds: how long one step of minting took, also in vain. `step`:
/// "assertion" (a token of an account), "metadata", "entra", "challenge", "exchange" or "token".
Histogram& mint_step_seconds(MetricsRegistry& metrics, const std::string& step);

/// Counts requests to registries and token servers, by server, kind of request and HTTP status. Thread safe; references
/// must outlive it and all that it has made.
///
/// Whoever writes resources decides how many servers there are, and a server which status it answers with: there are at
/// most 100 series of their own, all others have the server "other" and a class of statuses ("4xx"). So have servers
/// that the settings do not name, as a redirect may lead anywhere.
class RequestMetrics {
 public:
  RequestMetrics(const Settings& settings, MetricsRegistry& metrics, const Clock& clock);
  ~RequestMetrics();
  RequestMetrics(const RequestMetrics&) = delete;
  RequestMetrics& operator=(const RequestMetrics&) = delete;

  /// The same, counted.
  Ask count(Ask ask);
  /// For minting: counted, and each step timed.
  Ask count_and_time(Ask ask);
  AskMetadata count_and_time(AskMetadata ask);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace imageclassifier::registry
