#include "operator/runtime/controller.hpp"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <list>
#include <mutex>
#include <random>
#include <thread>
#include <utility>

#include "common/log.hpp"
#include "common/uuid.hpp"
#include "operator/runtime/controller_metrics.hpp"

namespace imageclassifier::runtime {
namespace {

constexpr auto kSyncPoll = std::chrono::milliseconds(20);
// Some clocks cannot wait until "max".
constexpr Duration kLongest = std::chrono::hours(1);

std::string seconds_text(Duration duration) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(duration).count()) + " s";
}

}  // namespace

struct Controller::Impl {
  /// A reconcile that runs now.
  struct Running {
    ObjectKey key;
    SteadyTime started;
    std::stop_source stop;
    bool timed_out = false;
  };

  Impl(Options options_in, WorkQueue& queue_in, Reconcile reconcile_in, Clock& clock_in, MetricsRegistry& registry)
      : options(std::move(options_in)),
        queue(queue_in),
        reconcile(std::move(reconcile_in)),
        clock(clock_in),
        metrics(registry, options.name) {}

  Result<void> wait_for_caches(std::stop_token stop) {
    const SteadyTime deadline = clock.steady_now() + options.sync_timeout;
    for (const auto& has_synced : options.wait_for) {
      while (!has_synced()) {
        if (clock.steady_now() >= deadline) {
          return fail(ErrorCode::kDeadlineExceeded,
                      "the caches of controller " + options.name +
                          " were not filled in time; is the API server reachable, are the "
                          "kinds installed and may they be listed and watched?");
        }
        if (!clock.sleep_for(kSyncPoll, stop)) return fail(ErrorCode::kCancelled, "stopped before the caches synced");
      }
    }
    return {};
  }

  void work(std::stop_token stop) {
    while (const auto item = queue.get(stop)) {
      const auto running = begin(item->key);
      const log::Scope scope(
          {{"controller", options.name},
           {"reconcileID", random_uuid()},
           log::Field::object(
               "object", {{"kind", options.kind}, {"namespace", item->key.namespace_name}, {"name", item->key.name}})});
      Outcome outcome = run_one(item->key, running->stop.get_token());
      outcome = end(running, std::move(outcome));
      follow_up(*item, outcome);
      queue.done(item->key);
    }
  }

  std::list<Running>::iterator begin(const ObjectKey& key) {
    std::lock_guard hold(mutex);
    const auto running = now.insert(now.end(), Running{key, clock.steady_now(), {}, false});
    metrics.active.set(static_cast<double>(now.size()));
    if (drained) running->stop.request_stop();
    return running;
  }

  /// The outcome, changed if the reconcile was cut short.
  Outcome end(std::list<Running>::iterator running, Outcome outcome) {
    const Duration taken = clock.steady_now() - running->started;
    const bool stopped = running->stop.stop_requested();
    std::unique_lock lock(mutex);
    const bool timed_out = running->timed_out;
    now.erase(running);
    metrics.active.set(static_cast<double>(now.size()));
    changed.notify_all();
    lock.unlock();
    if (outcome.kind != Outcome::Kind::kNotYet) metrics.time.observe(std::chrono::duration<double>(taken).count());
    if (timed_out) {
      metrics.timeouts.increment();
      if (outcome.kind == Outcome::Kind::kRetry) {
        return Outcome::retry(Error(ErrorCode::kDeadlineExceeded,
                                    "the reconcile took longer than " + seconds_text(options.reconcile_timeout),
                                    std::move(outcome.error)));
      }
    } else if (stopped && outcome.kind == Outcome::Kind::kRetry) {
      return Outcome::not_yet({});  // we ended it ourselves; whoever runs next does it over
    }
    return outcome;
  }

  Outcome run_one(const ObjectKey& key, std::stop_token stop) {
    try {
      return reconcile(key, stop);
    } catch (const std::exception& error) {
      metrics.panics.increment();
      return Outcome::retry(Error(ErrorCode::kInternal, std::string("exception in a reconcile: ") + error.what()));
    } catch (...) {
      metrics.panics.increment();
      return Outcome::retry(Error(ErrorCode::kInternal, "unknown exception in a reconcile"));
    }
  }

  void follow_up(const WorkQueue::Item& item, const Outcome& outcome) {
    switch (outcome.kind) {
      case Outcome::Kind::kSuccess:
        metrics.success.increment();
        queue.forget(item.key);
        return;
      case Outcome::Kind::kRequeueAfter:
        metrics.requeue_after.increment();
        queue.forget(item.key);
        // What a clock starts is routine, whatever started the clock.
        queue.add_after(item.key, outcome.delay, WorkQueue::Priority::kBackground);
        return;
      case Outcome::Kind::kRequeue:
        metrics.requeue.increment();
        log::debug("Reconcile begins anew",
                   {{"code", to_string(outcome.error.code)}, {"error", outcome.error.describe()}});
        queue.add_rate_limited(item.key, item.priority, outcome.error.retry_after);
        return;
      case Outcome::Kind::kRetry:
        metrics.error.increment();
        metrics.errors.increment();
        report("Reconcile failed and is retried", outcome.error);
        queue.add_rate_limited(item.key, item.priority, outcome.error.retry_after);
        return;
      case Outcome::Kind::kTerminal:
        metrics.error.increment();
        metrics.errors.increment();
        metrics.terminal_errors.increment();
        report("Reconcile failed for good", outcome.error);
        queue.forget(item.key);
        return;
      case Outcome::Kind::kNotYet:
        queue.add_after(item.key, outcome.delay, item.priority);
        return;
    }
  }

  static void report(const char* message, const Error& error) {
    log::warning(message, {{"code", to_string(error.code)}, {"error", error.describe()}});
  }

  void add_all_keys() const {
    if (!options.all_keys) return;
    for (const ObjectKey& key : options.all_keys()) queue.add(key, WorkQueue::Priority::kBackground);
  }

  SteadyTime next_resync() {
    if (!options.all_keys || options.resync_period <= Duration::zero()) return clock.steady_now() + kLongest;
    const double factor = std::uniform_real_distribution<double>(0.9, 1.1)(random);
    const double period = static_cast<double>(options.resync_period.count()) * factor;
    return clock.steady_now() + Duration(static_cast<Duration::rep>(period));
  }

  void stop_late() {
    if (options.reconcile_timeout <= Duration::zero()) return;
    for (Running& running : now) {
      if (running.timed_out || clock.steady_now() - running.started < options.reconcile_timeout) continue;
      running.timed_out = true;
      running.stop.request_stop();
    }
  }

  /// Time-outs and resyncs until `stop`, then the end of what runs.
  void supervise(std::stop_token stop) {
    // So a time-out is late by an eighth at most, and a reconcile wakes nobody.
    const Duration glance = options.reconcile_timeout > Duration::zero() ? options.reconcile_timeout / 8 : kLongest;
    SteadyTime resync = next_resync();
    std::unique_lock lock(mutex);
    drained = false;
    while (!stop.stop_requested()) {
      clock.wait_until(changed, lock, stop, std::min(resync, clock.steady_now() + glance), [] { return false; });
      stop_late();
      if (stop.stop_requested() || clock.steady_now() < resync) continue;
      lock.unlock();
      add_all_keys();
      lock.lock();
      resync = next_resync();
    }
    clock.wait_until(changed, lock, {}, clock.steady_now() + options.drain, [this] { return now.empty(); });
    drained = true;
    for (Running& running : now) running.stop.request_stop();
  }

  const Options options;
  WorkQueue& queue;
  const Reconcile reconcile;
  Clock& clock;
  ControllerMetrics metrics;
  std::minstd_rand random{std::random_device{}()};  // run()'s thread only
  mutable std::mutex mutex;
  std::condition_variable_any changed;
  std::list<Running> now;
  bool drained = false;  // run() was stopped and Options::drain is over
};

Controller::Controller(Options options, WorkQueue& queue, Reconcile reconcile, Clock& clock, MetricsRegistry& metrics)
    : impl_(std::make_unique<Impl>(std::move(options), queue, std::move(reconcile), clock, metrics)) {
  impl_->metrics.maximum.set(impl_->options.workers);
}
Controller::~Controller() = default;

Result<void> Controller::wait_for_caches(std::stop_token stop) {
  return impl_->wait_for_caches(stop);
}

Result<void> Controller::run(std::stop_token stop) {
  if (auto synced = impl_->wait_for_caches(stop); !synced) return synced;
  impl_->add_all_keys();
  log::info("Started workers", {{"controller", impl_->options.name}, {"workers", impl_->options.workers}});
  {
    std::vector<std::jthread> workers;
    for (int i = 0; i < impl_->options.workers; ++i) {
      workers.emplace_back([this, stop] { impl_->work(stop); });
    }
    impl_->supervise(stop);
    for (std::jthread& worker : workers) worker.join();
  }
  log::info("Stopped workers", {{"controller", impl_->options.name}});
  return {};
}

int Controller::active_workers() const {
  std::lock_guard hold(impl_->mutex);
  return static_cast<int>(impl_->now.size());
}

Result<void> Controller::check_workers() const {
  std::lock_guard hold(impl_->mutex);
  for (const Impl::Running& running : impl_->now) {
    const Duration age = impl_->clock.steady_now() - running.started;
    if (age < impl_->options.stuck_after) continue;
    return fail(ErrorCode::kDeadlineExceeded, "controller " + impl_->options.name + ": the reconcile of " +
                                                  to_string(running.key) + " runs for " + seconds_text(age));
  }
  return {};
}

}  // namespace imageclassifier::runtime
