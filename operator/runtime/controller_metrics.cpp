#include "operator/runtime/controller_metrics.hpp"

#include <vector>

namespace imageclassifier::runtime {
namespace {

// controller-runtime's.
const std::vector<double> kSeconds = {0.005, 0.01, 0.025, 0.05, 0.1,  0.15, 0.2,  0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6,
                                      0.7,   0.8,  0.9,   1.0,  1.25, 1.5,  1.75, 2.0,  2.5, 3.0,  3.5, 4.0,  4.5, 5,
                                      6,     7,    8,     9,    10,   15,   20,   25,   30,  40,   50,  60};

Counter& result(MetricsRegistry& registry, const std::string& controller, const char* result) {
  return registry.counter("controller_runtime_reconcile_total", "Total number of reconciliations per controller.",
                          {{"controller", controller}, {"result", result}});
}

}  // namespace

ControllerMetrics::ControllerMetrics(MetricsRegistry& registry, const std::string& controller)
    : success(result(registry, controller, "success")),
      error(result(registry, controller, "error")),
      requeue(result(registry, controller, "requeue")),
      requeue_after(result(registry, controller, "requeue_after")),
      errors(registry.counter("controller_runtime_reconcile_errors_total",
                              "Total number of reconciliation errors per controller.", {{"controller", controller}})),
      terminal_errors(registry.counter("controller_runtime_terminal_reconcile_errors_total",
                                       "Total number of terminal reconciliation errors per controller.",
                                       {{"controller", controller}})),
      panics(registry.counter("controller_runtime_reconcile_panics_total",
                              "Total number of reconciliation panics per controller.", {{"controller", controller}})),
      timeouts(registry.counter("controller_runtime_reconcile_timeouts_total",
                                "Total number of reconciliation timeouts per controller.",
                                {{"controller", controller}})),
      time(registry.histogram("controller_runtime_reconcile_time_seconds",
                              "Length of time per reconciliation per controller.", kSeconds,
                              {{"controller", controller}})),
      maximum(registry.gauge("controller_runtime_max_concurrent_reconciles",
                             "Maximum number of concurrent reconciles per controller.", {{"controller", controller}})),
      active(registry.gauge("controller_runtime_active_workers", "Number of currently used workers per controller.",
                            {{"controller", controller}})) {}

}  // namespace imageclassifier::runtime
