#include "operator/runtime/event_metrics.hpp"

namespace imageclassifier::runtime {
namespace {

Counter& writes(MetricsRegistry& registry, const char* result) {
  return registry.counter("event_recorder_writes_total", "Tries to write an Event, by result.", {{"result", result}});
}

}  // namespace

const char* to_string(EventLoss loss) noexcept {
  switch (loss) {
    case EventLoss::kQueueFull:
      return "queue_full";
    case EventLoss::kRateLimited:
      return "rate_limited";
    case EventLoss::kForbidden:
      return "forbidden";
    case EventLoss::kRefused:
      return "refused";
    case EventLoss::kNamespaceDeleted:
      return "namespace_deleted";
    case EventLoss::kTriesExhausted:
      return "tries_exhausted";
    case EventLoss::kStopped:
      return "stopped";
  }
  return "";
}

EventMetrics::EventMetrics(MetricsRegistry& registry)
    : created(writes(registry, "created")),
      updated(writes(registry, "updated")),
      failed(writes(registry, "failed")),
      depth(registry.gauge("event_recorder_queue_depth", "Writes of Events that wait, for another try included.")),
      registry_(registry) {
  for (const EventLoss loss :
       {EventLoss::kQueueFull, EventLoss::kRateLimited, EventLoss::kForbidden, EventLoss::kRefused,
        EventLoss::kNamespaceDeleted, EventLoss::kTriesExhausted, EventLoss::kStopped}) {
    lost(loss);
  }
}

Counter& EventMetrics::lost(EventLoss loss) {
  return registry_.counter("event_recorder_lost_total", "Events that were not written, by reason.",
                           {{"reason", to_string(loss)}});
}

}  // namespace imageclassifier::runtime
