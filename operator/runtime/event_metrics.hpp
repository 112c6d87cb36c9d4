#pragma once

#include "common/metrics.hpp"

namespace imageclassifier::runtime {

/// Why an event was lost.
enum class EventLoss { kQueueFull, kRateLimited, kForbidden, kRefused, kNamespaceDeleted, kTriesExhausted, kStopped };

/// The label's value: "queue_full", "rate_limited"...
const char* to_string(EventLoss loss) noexcept;

/// The series of an EventRecorder; all exist, at zero, from the start.
struct EventMetrics {
  explicit EventMetrics(MetricsRegistry& registry);

  Counter& lost(EventLoss loss);

  Counter& created;
  Counter& updated;
  Counter& failed;
  Gauge& depth;

 private:
  MetricsRegistry& registry_;
};

}  // namespace imageclassifier::runtime
