#include "operator/runtime/controller.hpp"

#include <atomic>
#include <exception>
#include <thread>
#include <utility>

#include "common/log.hpp"

namespace imageclassifier::runtime {
namespace {

// controller-runtime's.
const std::vector<double> kSeconds = {0.005, 0.01, 0.025, 0.05, 0.1,  0.15, 0.2,  0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6,
                                      0.7,   0.8,  0.9,   1.0,  1.25, 1.5,  1.75, 2.0,  2.5, 3.0,  3.5, 4.0,  4.5, 5,
                                      6,     7,    8,     9,    10,   15,   20,   25,   30,  40,   50,  60};
constexpr auto kSyncPoll = std::chrono::milliseconds(20);

struct Metrics {
  Metrics(MetricsRegistry& registry, const std::string& controller)
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
        time(registry.histogram("controller_runtime_reconcile_time_seconds",
                                "Length of time per reconciliation per controller.", kSeconds,
                                {{"controller", controller}})),
        maximum(registry.gauge("controller_runtime_max_concurrent_reconciles",
                               "Maximum number of concurrent reconciles per controller.",
                               {{"controller", controller}})),
        active(registry.gauge("controller_runtime_active_workers", "Number of currently used workers per controller.",
                              {{"controller", controller}})) {}

  static Counter& result(MetricsRegistry& registry, const std::string& controller, const char* result) {
    return registry.counter("controller_runtime_reconcile_total", "Total number of reconciliations per controller.",
                            {{"controller", controller}, {"result", result}});
  }

  Counter& success;
  Counter& error;
  Counter& requeue;
  Counter& requeue_after;
  Counter& errors;
  Counter& terminal_errors;
  Counter& panics;
  Histogram& time;
  Gauge& maximum;
  Gauge& active;
};

}  // namespace

struct Controller::Impl {
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
    while (const auto key = queue.get(stop)) {
      metrics.active.set(active.fetch_add(1) + 1);
      const SteadyTime started = clock.steady_now();
      const Outcome outcome = run_one(*key, stop);
      metrics.time.observe(std::chrono::duration<double>(clock.steady_now() - started).count());
      follow_up(*key, outcome);
      queue.done(*key);
      metrics.active.set(active.fetch_sub(1) - 1);
    }
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

  void follow_up(const ObjectKey& key, const Outcome& outcome) {
    switch (outcome.kind) {
      case Outcome::Kind::kSuccess:
        metrics.success.increment();
        queue.forget(key);
        return;
      case Outcome::Kind::kRequeueAfter:
        metrics.requeue_after.increment();
        queue.forget(key);
        queue.add_after(key, outcome.delay);
        return;
      case Outcome::Kind::kRetry:
        metrics.error.increment();
        metrics.errors.increment();
        report("Reconcile failed and is retried", key, outcome.error);
        queue.add_rate_limited(key);
        return;
      case Outcome::Kind::kTerminal:
        metrics.error.increment();
        metrics.errors.increment();
        metrics.terminal_errors.increment();
        report("Reconcile failed for good", key, outcome.error);
        queue.forget(key);
        return;
    }
  }

  void report(const char* message, const ObjectKey& key, const Error& error) const {
    // Somebody else's change in between is everyday life.
    const auto level = error.code == ErrorCode::kConflict ? log::Level::kDebug : log::Level::kWarning;
    log::write(level, message,
               {{"controller", options.name},
                {"namespace", key.namespace_name},
                {"name", key.name},
                {"code", to_string(error.code)},
                {"error", error.describe()}});
  }

  const Options options;
  WorkQueue& queue;
  const Reconcile reconcile;
  Clock& clock;
  Metrics metrics;
  std::atomic<int> active{0};
};

Controller::Controller(Options options, WorkQueue& queue, Reconcile reconcile, Clock& clock, MetricsRegistry& metrics)
    : impl_(std::make_unique<Impl>(std::move(options), queue, std::move(reconcile), clock, metrics)) {}
Controller::~Controller() = default;

Result<void> Controller::run(std::stop_token stop) {
  if (auto synced = impl_->wait_for_caches(stop); !synced) return synced;
  impl_->metrics.maximum.set(impl_->options.workers);
  log::info("Started workers", {{"controller", impl_->options.name}, {"workers", impl_->options.workers}});
  {
    std::vector<std::jthread> workers;
    for (int i = 0; i < impl_->options.workers; ++i) {
      workers.emplace_back([this, stop] { impl_->work(stop); });
    }
    for (std::jthread& worker : workers) worker.join();
  }
  impl_->queue.shutdown();
  log::info("Stopped workers", {{"controller", impl_->options.name}});
  return {};
}

int Controller::active_workers() const {
  return impl_->active.load();
}

}  // namespace imageclassifier::runtime
