#pragma once

#include "common/stop.hpp"
#include "operator/app/options.hpp"

namespace imageclassifier::app {

/// Is the operator until the first SIGTERM or SIGINT; returns the exit status: 0 after an ordered stop, 1 if it cannot
/// work (no configuration, no port, caches that do not fill). Owns every component: health server, watches, prober,
/// event recorder and workers start in this order and end in the reverse one.
int run_operator(const RunOptions& options, const SignalStop& signals);

}  // namespace imageclassifier::app
