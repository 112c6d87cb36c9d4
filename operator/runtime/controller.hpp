#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "common/clock.hpp"
#include "common/metrics.hpp"
#include "common/result.hpp"
#include "operator/runtime/object_key.hpp"
#include "operator/runtime/work_queue.hpp"

namespace imageclassifier::runtime {

/// What one reconcile came to.
struct Outcome {
  enum class Kind {
    kSuccess,       ///< nothing more to do until something changes
    kRequeueAfter,  ///< look again after `delay`
    kRetry,         ///< failed; again with the key's exponential back-off
    kTerminal       ///< failed; retrying cannot help until the object changes
  };
  Kind kind = Kind::kSuccess;
  Duration delay{};  ///< kRequeueAfter only; 0 or less: at once
  Error error;       ///< kRetry and kTerminal only

  static Outcome success() { return {}; }
  static Outcome requeue_after(Duration delay) { return {Kind::kRequeueAfter, delay, {}}; }
  static Outcome retry(Error error) { return {Kind::kRetry, {}, std::move(error)}; }
  static Outcome terminal(Error error) { return {Kind::kTerminal, {}, std::move(error)}; }
};

/// Takes keys from a queue and reconciles them on N worker threads, never two on one key.
///
/// One switch decides what follows an Outcome; every outcome is counted (controller_runtime_reconcile_total and
/// relatives). An exception out of a reconcile is caught, counted as a panic and retried with back-off.
class Controller {
 public:
  /// Runs on a worker thread; may block; should return soon after `stop` is requested.
  using Reconcile = std::function<Outcome(const ObjectKey& key, std::stop_token stop)>;

  struct Options {
    std::string name = {};  ///< label `controller` of the metrics
    int workers = 4;
    Duration sync_timeout = std::chrono::minutes(2);
    /// All must answer true before the first reconcile: the informers' has_synced.
    std::vector<std::function<bool()>> wait_for = {};
  };

  /// References must outlive the controller.
  Controller(Options options, WorkQueue& queue, Reconcile reconcile, Clock& clock, MetricsRegistry& metrics);
  ~Controller();
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;

  /// Waits for the caches, then works until `stop`; then shuts the queue down, drops what is still waiting and returns
  /// when the last reconcile has ended. Errors: kDeadlineExceeded if a cache did not sync in time. Call once.
  Result<void> run(std::stop_token stop);

  /// Workers that are inside a reconcile now.
  int active_workers() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace imageclassifier::runtime
