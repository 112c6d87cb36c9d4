#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/http_server.hpp"
#include "common/metrics.hpp"
#include "common/result.hpp"
#include "operator/app/options.hpp"

namespace imageclassifier::app {

/// One thing that must be in order. `check` runs on the I/O thread whenever it is asked for: it must be quick.
struct HealthCheck {
  std::string name;  ///< [a-z-]+
  std::function<Result<void>()> check;
};

struct HealthChecks {
  std::vector<HealthCheck> live;   ///< /healthz; a failure means: start the process anew
  std::vector<HealthCheck> ready;  ///< /readyz; a failure means: not yet
};

/// Serves /healthz, /readyz and /metrics on RunOptions::listen_address. What the checks and `metrics` use must outlive
/// the server.
///
/// The answers are those of Kubernetes' own components: 200 `ok`, or 500 with one line per check; with ?verbose the
/// lines always; ?exclude=NAME (also repeated) leaves a check out; /healthz/NAME asks one check. Other than there a
/// failed check says why. `ping` is always there and always in order. A check that begins to fail, or is in order
/// again, is logged once.
///
/// Made for an open port: small limits, and whoever comes last is served first, so that a probe is answered beside
/// thousands of connections that say nothing.
Result<std::unique_ptr<HttpServer>> serve_health(const RunOptions& options, HealthChecks checks,
                                                 const MetricsRegistry& metrics);

}  // namespace imageclassifier::app
