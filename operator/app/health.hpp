#pragma once

#include <functional>
#include <memory>

#include "common/http_server.hpp"
#include "common/metrics.hpp"
#include "common/result.hpp"
#include "operator/app/options.hpp"

namespace imageclassifier::app {

/// Serves /healthz, /readyz (503 until `synced`) and /metrics on RunOptions::listen_address. The references and what
/// `synced` uses must outlive the server.
Result<std::unique_ptr<HttpServer>> serve_health(const RunOptions& options, std::function<bool()> synced,
                                                 const MetricsRegistry& metrics);

}  // namespace imageclassifier::app
