#pragma once

#include <string>

#include "common/metrics.hpp"

namespace imageclassifier::runtime {

/// The series of one controller, with controller-runtime's names and buckets; all exist, at zero, from the start.
struct ControllerMetrics {
  ControllerMetrics(MetricsRegistry& registry, const std::string& controller);

  Counter& success;
  Counter& error;
  Counter& requeue;
  Counter& requeue_after;
  Counter& errors;
  Counter& terminal_errors;
  Counter& panics;
  Counter& timeouts;
  Histogram& time;
  Gauge& maximum;
  Gauge& active;
};

}  // namespace imageclassifier::runtime
