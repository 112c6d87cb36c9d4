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
    kRequeue,       ///< no error, but not done either (a conflict): again as after kRetry
    kRetry,         ///< failed; again with the key's exponential back-off, not before Error::retry_after
    kTerminal,      ///< failed; retrying cannot help until the object changes
    kNotYet  ///< nothing was looked at (WriteBarrier): after `delay`; counts as no reconcile, changes no back-off
  };
  Kind kind = Kind::kSuccess;
  Duration delay{};  ///< kRequeueAfter and kNotYet only; 0 or less: at once
  Error error;       ///< kRequeue, kRetry and kTerminal only

  static Outcome success() { return {}; }
  static Outcome requeue_after(Duration delay) { return {Kind::kRequeueAfter, delay, {}}; }
  static Outcome requeue(Error why) { return {Kind::kRequeue, {}, std::move(why)}; }
  static Outcome retry(Error error) { return {Kind::kRetry, {}, std::move(error)}; }
  static Outcome terminal(Error error) { return {Kind::kTerminal, {}, std::move(error)}; }
  static Outcome not_yet(Duration delay) { return {Kind::kNotYet, delay, {}}; }
};

/// Takes keys from a queue and reconciles them on N worker threads, never two on one key.
///
/// One switch decides what follows an Outcome; every outcome is counted (controller_runtime_reconcile_total and
/// relatives). An exception out of a reconcile is caught, counted as a panic and retried with back-off. Every log line
/// that a reconcile writes carries `controller`, `reconcileID` (a random UUID) and `object` {kind, namespace, name}.
class Controller {
 public:
  /// Runs on a worker thread; may block; should return soon after `stop` is requested.
  using Reconcile = std::function<Outcome(const ObjectKey& key, std::stop_token stop)>;

  struct Options {
    std::string name = {};  ///< label `controller` of the metrics, and in the log
    std::string kind = {};  ///< of the objects that the keys name; for the log
    int workers = 4;
    /// run() fails when a cache is not filled by then: a kind that is not installed, a right that is missing.
    Duration sync_timeout = std::chrono::minutes(2);
    /// All must answer true before the first reconcile: the informers' has_synced.
    std::vector<std::function<bool()>> wait_for = {};
    /// The stop of a reconcile is requested after this long, and the key retried with back-off. Some ten requests of at
    /// most 30 s each fit a reconcile, of which a healthy API server answers each in milliseconds. 0: never.
    Duration reconcile_timeout = std::chrono::minutes(2);
    /// A reconcile that is still running after this long ignores its stop: check_workers() fails, so that /healthz does
    /// and the process is started anew.
    Duration stuck_after = std::chrono::minutes(5);
    /// Reconciles that are running when run() is stopped may go on for so long before their own stop is requested.
    Duration drain = std::chrono::seconds(2);
    /// The keys of all objects, from the cache. With it, they all go into the queue at background priority when run()
    /// begins (a new leader looks at everything) and every `resync_period`, +-10 % at random.
    std::function<std::vector<ObjectKey>()> all_keys = {};
    /// Purely local: it finds what an event was lost for, and asks the API server for nothing.
    Duration resync_period = std::chrono::hours(10);
  };

  /// References must outlive the controller. No thread is started.
  Controller(Options options, WorkQueue& queue, Reconcile reconcile, Clock& clock, MetricsRegistry& metrics);
  ~Controller();
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;

  /// Waits until all of Options::wait_for hold. Errors: kDeadlineExceeded if one did not in time, kCancelled if stopped
  /// before that.
  Result<void> wait_for_caches(std::stop_token stop);

  /// Waits for the caches, then works until `stop`, and returns when the last reconcile has ended. What waits stays in
  /// the queue: run() may be called again (leadership lost and gained), never twice at a time. Errors
  /// are those of wait_for_caches.
  Result<void> run(std::stop_token stop);

  /// Workers that are inside a reconcile now.
  int active_workers() const;
  /// An error that names the key and the time if a reconcile runs longer than Options::stuck_after. Any thread.
  Result<void> check_workers() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace imageclassifier::runtime
