#include "operator/runtime/work_queue.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <mutex>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

namespace imageclassifier::runtime {
namespace {

// client-go's buckets: 10 ns to 10 s by factors of ten; the first ones are below what anybody needs to tell apart.
const std::vector<double> kSeconds = {1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10};

struct Metrics {
  Metrics(MetricsRegistry& registry, const std::string& name)
      : depth(registry.gauge("workqueue_depth", "Current depth of workqueue.", {{"name", name}})),
        adds(registry.counter("workqueue_adds_total", "Total number of adds handled by workqueue.", {{"name", name}})),
        retries(registry.counter("workqueue_retries_total", "Total number of retries handled by workqueue.",
                                 {{"name", name}})),
        queue_duration(registry.histogram("workqueue_queue_duration_seconds",
                                          "How long in seconds an item stays in workqueue before being requested.",
                                          kSeconds, {{"name", name}})),
        work_duration(registry.histogram("workqueue_work_duration_seconds",
                                         "How long in seconds processing an item from workqueue takes.", kSeconds,
                                         {{"name", name}})),
        unfinished(registry.gauge("workqueue_unfinished_work_seconds",
                                  "Seconds of work in progress that work_duration has not observed yet.",
                                  {{"name", name}})),
        longest(registry.gauge("workqueue_longest_running_processor_seconds",
                               "How many seconds the longest running processor has been running.", {{"name", name}})) {}

  Gauge& depth;
  Counter& adds;
  Counter& retries;
  Histogram& queue_duration;
  Histogram& work_duration;
  Gauge& unfinished;
  Gauge& longest;
};

double seconds_between(SteadyTime from, SteadyTime to) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace

struct WorkQueue::Impl {
  struct Waiting {
    Priority priority;
    SteadyTime since;
  };
  struct Delayed {
    SteadyTime ready_at;
    Priority priority;
  };

  Impl(Options options_in, Clock& clock_in, MetricsRegistry& registry)
      : options(std::move(options_in)), clock(clock_in), metrics(registry, options.name) {}

  std::deque<ObjectKey>& line(Priority priority) { return ready[priority == Priority::kFresh ? 0 : 1]; }

  void add(const ObjectKey& key, Priority priority) {
    if (shut_down) return;
    drop_delay(key);
    const auto [waiting, fresh] = dirty.try_emplace(key, Waiting{priority, clock.steady_now()});
    if (fresh) {
      metrics.adds.increment();
    } else if (waiting->second.priority <= priority) {
      return;
    }
    const bool was_ready = !fresh && processing.count(key) == 0;
    if (was_ready) std::erase(line(waiting->second.priority), key);
    waiting->second.priority = priority;
    if (processing.count(key) == 0) make_ready(key, priority);
  }

  void make_ready(const ObjectKey& key, Priority priority) {
    line(priority).push_back(key);
    update_depth();
    changed.notify_one();
  }

  void add_after(const ObjectKey& key, Duration delay, Priority priority) {
    if (shut_down) return;
    if (delay <= Duration::zero()) return add(key, priority);
    const SteadyTime ready_at = clock.steady_now() + delay;
    const auto found = delayed.find(key);
    if (found != delayed.end()) {
      priority = std::min(found->second.priority, priority);
      if (found->second.ready_at <= ready_at) {
        found->second.priority = priority;
        return;
      }
      by_time.erase({found->second.ready_at, key});
    }
    delayed[key] = {ready_at, priority};
    by_time.emplace(ready_at, key);
    changed.notify_one();
  }

  void drop_delay(const ObjectKey& key) {
    const auto found = delayed.find(key);
    if (found == delayed.end()) return;
    by_time.erase({found->second.ready_at, key});
    delayed.erase(found);
  }

  void promote() {
    const SteadyTime now = clock.steady_now();
    while (!by_time.empty() && by_time.begin()->first <= now) {
      const ObjectKey key = by_time.begin()->second;
      add(key, delayed.at(key).priority);
    }
  }

  // A get() with nothing to do looks again after an hour at the latest; some clocks cannot wait until "max".
  SteadyTime next_due() const {
    const SteadyTime latest = clock.steady_now() + std::chrono::hours(1);
    return by_time.empty() ? latest : std::min(latest, by_time.begin()->first);
  }

  std::optional<ObjectKey> take() {
    for (std::deque<ObjectKey>& keys : ready) {
      if (keys.empty()) continue;
      ObjectKey key = std::move(keys.front());
      keys.pop_front();
      const SteadyTime now = clock.steady_now();
      const auto waiting = dirty.find(key);
      metrics.queue_duration.observe(seconds_between(waiting->second.since, now));
      dirty.erase(waiting);
      processing.emplace(key, now);
      update_depth();
      return key;
    }
    return std::nullopt;
  }

  void update_depth() { metrics.depth.set(static_cast<double>(ready[0].size() + ready[1].size())); }

  void update_running() {
    const SteadyTime now = clock.steady_now();
    double sum = 0, longest = 0;
    for (const auto& [key, since] : processing) {
      sum += seconds_between(since, now);
      longest = std::max(longest, seconds_between(since, now));
    }
    metrics.unfinished.set(sum);
    metrics.longest.set(longest);
  }

  const Options options;
  Clock& clock;
  Metrics metrics;
  mutable std::mutex mutex;
  std::condition_variable_any changed;
  std::array<std::deque<ObjectKey>, 2> ready;
  std::unordered_map<ObjectKey, Waiting> dirty;
  std::unordered_map<ObjectKey, SteadyTime> processing;
  std::unordered_map<ObjectKey, Delayed> delayed;
  std::set<std::pair<SteadyTime, ObjectKey>> by_time;  // the same entries as `delayed`
  std::unordered_map<ObjectKey, int> failed;
  bool shut_down = false;
};

WorkQueue::WorkQueue(Options options, Clock& clock, MetricsRegistry& metrics)
    : impl_(std::make_unique<Impl>(std::move(options), clock, metrics)) {}
WorkQueue::~WorkQueue() = default;

void WorkQueue::add(const ObjectKey& key, Priority priority) {
  std::lock_guard hold(impl_->mutex);
  impl_->add(key, priority);
}

void WorkQueue::add_after(const ObjectKey& key, Duration delay, Priority priority) {
  std::lock_guard hold(impl_->mutex);
  impl_->add_after(key, delay, priority);
}

void WorkQueue::add_rate_limited(const ObjectKey& key, Priority priority) {
  std::lock_guard hold(impl_->mutex);
  if (impl_->shut_down) return;
  const int before = impl_->failed[key]++;
  impl_->metrics.retries.increment();
  Duration delay = impl_->options.base_delay;
  for (int i = 0; i < before && delay < impl_->options.maximum_delay; ++i) delay *= 2;
  impl_->add_after(key, std::min(delay, impl_->options.maximum_delay), priority);
}

void WorkQueue::forget(const ObjectKey& key) {
  std::lock_guard hold(impl_->mutex);
  impl_->failed.erase(key);
}

int WorkQueue::failures(const ObjectKey& key) const {
  std::lock_guard hold(impl_->mutex);
  const auto found = impl_->failed.find(key);
  return found == impl_->failed.end() ? 0 : found->second;
}

std::optional<ObjectKey> WorkQueue::get(std::stop_token stop) {
  std::unique_lock lock(impl_->mutex);
  while (!stop.stop_requested()) {
    impl_->promote();
    impl_->update_running();
    if (auto key = impl_->take()) return key;
    if (impl_->shut_down) return std::nullopt;
    const SteadyTime due = impl_->next_due();
    impl_->clock.wait_until(impl_->changed, lock, stop, due, [&] {
      const bool sooner = !impl_->by_time.empty() && impl_->by_time.begin()->first < due;
      return impl_->shut_down || !impl_->ready[0].empty() || !impl_->ready[1].empty() || sooner;
    });
  }
  return std::nullopt;
}

void WorkQueue::done(const ObjectKey& key) {
  std::lock_guard hold(impl_->mutex);
  const auto found = impl_->processing.find(key);
  if (found == impl_->processing.end()) return;
  impl_->metrics.work_duration.observe(seconds_between(found->second, impl_->clock.steady_now()));
  impl_->processing.erase(found);
  impl_->update_running();
  const auto waiting = impl_->dirty.find(key);
  if (waiting != impl_->dirty.end()) impl_->make_ready(key, waiting->second.priority);
}

void WorkQueue::shutdown() {
  std::lock_guard hold(impl_->mutex);
  impl_->shut_down = true;
  impl_->delayed.clear();
  impl_->by_time.clear();
  impl_->changed.notify_all();
}

bool WorkQueue::is_shut_down() const {
  std::lock_guard hold(impl_->mutex);
  return impl_->shut_down;
}

std::size_t WorkQueue::size() const {
  std::lock_guard hold(impl_->mutex);
  return impl_->ready[0].size() + impl_->ready[1].size();
}

}  // namespace imageclassifier::runtime
