#include "operator/runtime/event_recorder.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <mutex>
#include <random>
#include <thread>
#include <utility>

#include "common/log.hpp"
#include "operator/kubernetes/status.hpp"
#include "operator/runtime/event_metrics.hpp"

namespace imageclassifier::runtime {
namespace {

using kubernetes::Response;

struct Job {
  EventWrite write;
  int tries = 0;
};

/// What one try came to.
struct Tried {
  enum class Kind { kCreated, kUpdated, kRetry, kLost };
  Kind kind = Kind::kCreated;
  EventLoss loss = EventLoss::kRefused;  ///< kLost
  Duration at_least{};                   ///< kRetry: as the server asked
  std::string detail = {};               ///< kRetry, kLost: for the log; empty: not worth a line
};

Tried lost(EventLoss loss, std::string detail) {
  return {Tried::Kind::kLost, loss, {}, std::move(detail)};
}
Tried retry(std::string detail, Duration at_least = Duration::zero()) {
  return {Tried::Kind::kRetry, EventLoss::kTriesExhausted, at_least, std::move(detail)};
}

Tried judge_refusal(const Response& answer, bool series) {
  const kubernetes::Status status = kubernetes::status_of(answer.status, answer.headers, answer.body);
  const std::string detail = kubernetes::to_error(status, "Writing an Event").message;
  const Duration at_least = status.retry_after.value_or(std::chrono::seconds(0));
  if (kubernetes::is_namespace_terminating(status)) return lost(EventLoss::kNamespaceDeleted, detail);
  switch (answer.status) {
    case 403:
      return lost(EventLoss::kForbidden, detail);
    case 404:
      return lost(EventLoss::kNamespaceDeleted, detail);
    case 409:
      if (status.reason == "AlreadyExists" && !series) return {Tried::Kind::kCreated};
      return retry(detail);
    case 401:
    case 429:
      return retry(detail, at_least);
    default:
      if (answer.status >= 500) return retry(detail, at_least);
      return lost(EventLoss::kRefused, detail);
  }
}

}  // namespace

struct EventRecorder::Impl {
  Impl(Options options_in, kubernetes::ApiClient& client_in, Clock& clock_in, MetricsRegistry& registry)
      : options(std::move(options_in)),
        client(client_in),
        clock(clock_in),
        metrics(registry),
        aggregator(options.aggregation) {}

  void record(Event event) {
    const SteadyTime now = clock.steady_now();
    const WallTime wall = clock.wall_now();
    {
      std::lock_guard hold(mutex);
      if (stopping) return metrics.lost(EventLoss::kStopped).increment();
      EventAggregator::Decision decision = aggregator.record(std::move(event), now, wall);
      if (decision.verdict == EventAggregator::Verdict::kSuppressed) metrics.lost(EventLoss::kRateLimited).increment();
      if (decision.verdict == EventAggregator::Verdict::kWrite) enqueue({std::move(decision.write)});
    }
    changed.notify_all();
  }

  void enqueue(Job job) {
    if (ready.size() + waiting.size() >= options.queue) {
      metrics.lost(EventLoss::kQueueFull).increment();
      ++unsaid_losses;
      return;
    }
    ready.push_back(std::move(job));
    show_depth();
  }

  void run(std::stop_token stop) {
    while (std::optional<Job> job = next(stop)) finish(std::move(*job), attempt(job->write, stop), stop);
    std::lock_guard hold(mutex);
    for (std::size_t left = ready.size() + waiting.size(); left > 0; --left)
      metrics.lost(EventLoss::kStopped).increment();
    ready.clear();
    waiting.clear();
    show_depth();
    ended = true;
    changed.notify_all();
  }

  std::optional<Job> next(const std::stop_token& stop) {
    std::unique_lock lock(mutex);
    while (!stop.stop_requested()) {
      prepare(clock.steady_now());
      if (unsaid_losses > 0 && clock.steady_now() >= say_again) {
        const std::uint64_t count = std::exchange(unsaid_losses, 0);
        say_again = clock.steady_now() + options.log_every;
        lock.unlock();
        log::warning("Lost events: they come faster than the API server takes them; see event_recorder_lost_total",
                     {{"count", count}, {"queue", options.queue}});
        lock.lock();
        continue;
      }
      if (!ready.empty()) {
        Job job = std::move(ready.front());
        ready.pop_front();
        show_depth();
        return job;
      }
      if (stopping) break;
      clock.wait_until(changed, lock, stop, wake_at(),
                       [&] { return !ready.empty() || stopping || wake_at() <= clock.steady_now(); });
    }
    return std::nullopt;
  }

  /// Everything whose time has come is put into `ready`.
  void prepare(SteadyTime now) {
    while (!waiting.empty() && (stopping || waiting.begin()->first <= now)) {
      ready.push_back(std::move(waiting.begin()->second));
      waiting.erase(waiting.begin());
    }
    for (EventWrite& write : stopping ? aggregator.flush() : aggregator.due(now)) enqueue({std::move(write)});
  }

  SteadyTime wake_at() const {
    SteadyTime at = aggregator.next_due().value_or(SteadyTime::max());
    if (!waiting.empty()) at = std::min(at, waiting.begin()->first);
    return unsaid_losses > 0 ? std::min(at, say_again) : at;
  }

  Tried attempt(const EventWrite& write, const std::stop_token& stop) {
    const bool series = write.count > 1;
    const std::string space = namespace_of(write.event);
    const std::string& manager = options.source.controller;
    if (series) {
      const auto answer =
          client.execute(kubernetes::patch_request(event_objects(), {space, write.name}, kubernetes::PatchType::kMerge,
                                                   series_patch(write), manager),
                         stop);
      if (!answer || answer->status != 404) return judge(answer, series, Tried::Kind::kUpdated);
    }
    const auto answer = client.execute(
        kubernetes::create_request(event_objects(), space, event_object(write, options.source), manager), stop);
    return judge(answer, series, Tried::Kind::kCreated);
  }

  static Tried judge(const Result<Response>& answer, bool series, Tried::Kind done) {
    if (answer) return answer->status < 300 ? Tried{done} : judge_refusal(*answer, series);
    const Error& error = answer.error();
    // The watches say already that the server cannot be reached.
    return error.code == ErrorCode::kCancelled ? lost(EventLoss::kStopped, {}) : retry({});
  }

  void finish(Job job, const Tried& tried, const std::stop_token& stop) {
    switch (tried.kind) {
      case Tried::Kind::kCreated:
      case Tried::Kind::kUpdated:
        (tried.kind == Tried::Kind::kCreated ? metrics.created : metrics.updated).increment();
        forbidden_said = false;
        return;
      case Tried::Kind::kLost:
        metrics.failed.increment();
        return give_up(job, tried.loss, tried.detail);
      case Tried::Kind::kRetry:
        metrics.failed.increment();
        break;
    }
    if (stop.stop_requested()) return give_up(job, EventLoss::kStopped, tried.detail);
    if (++job.tries >= options.tries) return give_up(job, EventLoss::kTriesExhausted, tried.detail);
    const double share = std::uniform_real_distribution<double>(0, 0.25)(random);
    const Duration pause = std::chrono::duration_cast<Duration>(options.retry * (1 + share));
    std::lock_guard hold(mutex);
    if (stopping) return metrics.lost(EventLoss::kStopped).increment();
    waiting.emplace(clock.steady_now() + std::max(pause, tried.at_least), std::move(job));
    show_depth();
  }

  void give_up(const Job& job, EventLoss loss, const std::string& detail) {
    metrics.lost(loss).increment();
    if (detail.empty() || loss == EventLoss::kStopped || loss == EventLoss::kNamespaceDeleted) return;
    if (loss == EventLoss::kForbidden) {
      if (std::exchange(forbidden_said, true)) return;
      log::warning(
          "The API server forbids to write Events; everything else goes on without them. To have them, give "
          "the ClusterRole the verbs create and patch on events in the API group events.k8s.io",
          {{"error", detail}});
      return;
    }
    const SteadyTime now = clock.steady_now();
    if (now < refusal_again) return;
    refusal_again = now + options.log_every;
    log::warning("Gave up writing an Event; see event_recorder_lost_total",
                 {{"reason", job.write.event.reason},
                  {"regarding", namespace_of(job.write.event) + "/" + job.write.event.regarding.name},
                  {"why", to_string(loss)},
                  {"error", detail}});
  }

  void show_depth() { metrics.depth.set(static_cast<double>(ready.size() + waiting.size())); }

  const Options options;
  kubernetes::ApiClient& client;
  Clock& clock;
  EventMetrics metrics;

  std::mutex mutex;
  std::condition_variable_any changed;
  // Under `mutex`.
  EventAggregator aggregator;
  std::deque<Job> ready;
  std::multimap<SteadyTime, Job> waiting;  ///< for another try
  std::uint64_t unsaid_losses = 0;         ///< of a full queue
  SteadyTime say_again = SteadyTime::min();
  bool stopping = false;
  bool ended = false;

  // The thread's own.
  std::mt19937_64 random{std::random_device{}()};
  bool forbidden_said = false;
  SteadyTime refusal_again = SteadyTime::min();
  std::jthread thread;
};

EventRecorder::EventRecorder(Options options, kubernetes::ApiClient& client, Clock& clock, MetricsRegistry& metrics)
    : impl_(std::make_unique<Impl>(std::move(options), client, clock, metrics)) {}
EventRecorder::~EventRecorder() {
  stop();
}

void EventRecorder::start() {
  impl_->thread = std::jthread([this](std::stop_token stop) { impl_->run(std::move(stop)); });
}

void EventRecorder::stop() {
  if (!impl_->thread.joinable()) return;
  {
    std::unique_lock lock(impl_->mutex);
    impl_->stopping = true;
    impl_->changed.notify_all();
    impl_->clock.wait_until(impl_->changed, lock, {}, impl_->clock.steady_now() + impl_->options.flush,
                            [this] { return impl_->ended; });
  }
  impl_->thread.request_stop();
  impl_->thread.join();
}

void EventRecorder::record(Event event) {
  impl_->record(std::move(event));
}

}  // namespace imageclassifier::runtime
