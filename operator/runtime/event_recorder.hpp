#pragma once

#include <cstddef>
#include <memory>

#include "common/clock.hpp"
#include "common/metrics.hpp"
#include "operator/kubernetes/api_client.hpp"
#include "operator/runtime/event_aggregator.hpp"
#include "operator/runtime/event_object.hpp"

namespace imageclassifier::runtime {

/// Tells people what happens, as Events of events.k8s.io/v1; after client-go's tools/events. Which occurrences are
/// written stands in EventAggregator. One thread sends them, in order, from a bounded queue; nobody ever waits for it.
/// Events are a convenience: when the queue is full or the server does not take one, it is lost, counted, and said in
/// the log at most once per Options::log_every (what the server refused or was too slow for; that it cannot be reached
/// the watches say); what a controller does never depends on them.
///
/// - No answer, 401, 429 or 5xx: tried again up to Options::tries times, others go on meanwhile. An object that exists
///   already is ours from a try whose answer was lost. A series whose object is gone (they expire) is made anew.
/// - Forbidden: one warning with the remedy until a write succeeds again. A namespace that is being deleted, or is
///   gone, takes no events: nothing is logged. Nor is anything when a client may not write because another process
///   leads.
///
/// Thread safe but for start() and stop(), which are called once each. `client`, `clock` and `metrics` must outlive it.
class EventRecorder {
 public:
  struct Options {
    EventSource source = {};
    std::size_t queue = 1000;  ///< writes that wait, those to be tried again included
    int tries = 12;
    Duration retry = std::chrono::seconds(10);  ///< between two tries; plus up to a quarter at random
    Duration log_every = std::chrono::minutes(1);
    Duration flush = std::chrono::seconds(2);  ///< stop() takes at most so long
    EventAggregator::Options aggregation = {};
  };

  EventRecorder(Options options, kubernetes::ApiClient& client, Clock& clock, MetricsRegistry& metrics);
  /// Stops, if that has not been done.
  ~EventRecorder();
  EventRecorder(const EventRecorder&) = delete;
  EventRecorder& operator=(const EventRecorder&) = delete;

  void start();
  /// Writes what waits and the last counts of all series, one try each, then joins the thread.
  void stop();
  /// Never waits for a request. What comes before start() is kept, what comes after stop() is lost.
  void record(Event event);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace imageclassifier::runtime
