#pragma once

#include "common/http_server.hpp"
#include "inference-server/app/options.hpp"

namespace imageclassifier::app {

/// The first line of the log: version and options.
void log_configuration(const ServeOptions& options);

/// One line for each exchange; those of probes and of metrics only on the level debug.
void log_exchange(const HttpExchange& exchange);

}  // namespace imageclassifier::app
