#include "operator/runtime/work_queue.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

namespace imageclassifier::runtime {
namespace {

using Priority = WorkQueue::Priority;

// client-go's: 10 ns to 1000 s by factors of ten.
const std::vector<double> kSeconds = {1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10, 100, 1000};
constexpr std::size_t kLines = 2;

std::size_t index_of(Priority priority) {
  return priority == Priority::kFresh ? 0 : 1;
}

/// The label `priority` has controller-runtime's numbers: 0, and -100 for what can wait.
MetricLabels with_priority(MetricLabels labels, Priority priority) {
  labels.emplace("priority", priority == Priority::kFresh ? "0" : "-100");
  return labels;
}

struct Metrics {
  Metrics(MetricsRegistry& registry, const MetricLabels& labels)
      : depth{&depth_of(registry, labels, Priority::kFresh), &depth_of(registry, labels, Priority::kBackground)},
        adds(registry.counter("workqueue_adds_total", "Total number of adds handled by workqueue.", labels)),
        retries(registry.counter("workqueue_retries_total", "Total number of retries handled by workqueue.", labels)),
        queue_duration(registry.histogram("workqueue_queue_duration_seconds",
                                          "How long in seconds an item stays in workqueue before being requested.",
                                          kSeconds, labels)),
        work_duration(registry.histogram("workqueue_work_duration_seconds",
                                         "How long in seconds processing an item from workqueue takes.", kSeconds,
                                         labels)),
        unfinished(registry.gauge("workqueue_unfinished_work_seconds",
                                  "Seconds of work in progress that work_duration has not observed yet.", labels)),
        longest(registry.gauge("workqueue_longest_running_processor_seconds",
                               "How many seconds the longest running processor has been running.", labels)) {}

  static Gauge& depth_of(MetricsRegistry& registry, const MetricLabels& labels, Priority priority) {
    return registry.gauge("workqueue_depth", "Current depth of workqueue by workqueue and priority.",
                          with_priority(labels, priority));
  }

  std::array<Gauge*, kLines> depth;
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
    std::uint64_t ticket = 0;  // its place in the line; 0: being worked on, in no line
  };
  struct Delayed {
    SteadyTime ready_at;
    Priority priority;
  };
  struct Earlier {
    using Entry = std::pair<SteadyTime, const ObjectKey*>;
    bool operator()(const Entry& left, const Entry& right) const {
      return left.first != right.first ? left.first < right.first : *left.second < *right.second;
    }
  };

  Impl(Options options_in, Clock& clock_in, MetricsRegistry& registry)
      : options(std::move(options_in)),
        clock(clock_in),
        metrics(registry, {{"name", options.name}, {"controller", options.name}}),
        before_scrape(registry.before_text([this] {
          std::lock_guard hold(mutex);
          update_running();
        })) {}

  std::map<std::uint64_t, ObjectKey>& line(Priority priority) { return lines[index_of(priority)]; }

  void add(const ObjectKey& key, Priority priority) {
    if (shut_down) return;
    const auto cooling = recent.find(key);
    const bool waits = processing.count(key) != 0 || dirty.count(key) != 0;
    if (cooling != recent.end() && !waits && cooling->second > clock.steady_now()) {
      return delay_until(key, cooling->second, priority);
    }
    add_now(key, priority);
  }

  void add_now(const ObjectKey& key, Priority priority) {
    priority = std::min(priority, drop_delay(key).value_or(priority));
    const auto [entry, is_new] = dirty.try_emplace(key, Waiting{priority, clock.steady_now()});
    if (is_new) {
      metrics.adds.increment();
    } else if (entry->second.priority <= priority) {
      return;
    }
    Waiting& waiting = entry->second;
    if (waiting.ticket != 0) line(waiting.priority).erase(std::exchange(waiting.ticket, 0));
    waiting.priority = priority;
    if (processing.count(key) == 0) make_ready(key, waiting);
  }

  void make_ready(const ObjectKey& key, Waiting& waiting) {
    waiting.ticket = ++last_ticket;
    line(waiting.priority).emplace(waiting.ticket, key);
    update_depth();
    changed.notify_one();
  }

  void add_after(const ObjectKey& key, Duration delay, Priority priority) {
    if (shut_down) return;
    if (delay <= Duration::zero() || dirty.count(key) != 0) return add(key, priority);
    delay_until(key, clock.steady_now() + delay, priority);
  }

  void delay_until(const ObjectKey& key, SteadyTime ready_at, Priority priority) {
    const auto found = delayed.find(key);
    if (found != delayed.end()) {
      priority = std::min(found->second.priority, priority);
      if (found->second.ready_at <= ready_at) {
        found->second.priority = priority;
        return;
      }
      by_time.erase({found->second.ready_at, &found->first});
    }
    const auto entry = delayed.insert_or_assign(key, Delayed{ready_at, priority}).first;
    by_time.emplace(ready_at, &entry->first);
    changed.notify_one();
  }

  /// The priority of the delayed key, if there was one.
  std::optional<Priority> drop_delay(const ObjectKey& key) {
    const auto found = delayed.find(key);
    if (found == delayed.end()) return std::nullopt;
    const Priority priority = found->second.priority;
    by_time.erase({found->second.ready_at, &found->first});
    delayed.erase(found);
    return priority;
  }

  void promote() {
    const SteadyTime now = clock.steady_now();
    while (!by_time.empty() && by_time.begin()->first <= now) {
      const ObjectKey key = *by_time.begin()->second;
      add_now(key, delayed.at(key).priority);
    }
    while (!recent_order.empty() && recent_order.front().first <= now) {
      const auto found = recent.find(recent_order.front().second);
      if (found != recent.end() && found->second <= now) recent.erase(found);
      recent_order.pop_front();
    }
  }

  // A get() with nothing to do looks again after an hour at the latest; some clocks cannot wait until "max".
  SteadyTime next_due() const {
    const SteadyTime latest = clock.steady_now() + std::chrono::hours(1);
    return by_time.empty() ? latest : std::min(latest, by_time.begin()->first);
  }

  std::optional<Item> take() {
    if (ready() == 0) return std::nullopt;
    const bool background_turn = fresh_taken >= options.fresh_in_a_row && !line(Priority::kBackground).empty();
    const bool fresh = !background_turn && !line(Priority::kFresh).empty();
    fresh_taken = fresh ? fresh_taken + 1 : 0;
    auto& keys = line(fresh ? Priority::kFresh : Priority::kBackground);
    Item item{std::move(keys.begin()->second), fresh ? Priority::kFresh : Priority::kBackground};
    keys.erase(keys.begin());
    const SteadyTime now = clock.steady_now();
    const auto waiting = dirty.find(item.key);
    metrics.queue_duration.observe(seconds_between(waiting->second.since, now));
    dirty.erase(waiting);
    processing.emplace(item.key, now);
    if (options.spacing > Duration::zero()) cool(item.key, options.spacing);
    update_depth();
    return item;
  }

  void cool(const ObjectKey& key, Duration length) {
    const SteadyTime until = clock.steady_now() + length;
    recent[key] = until;
    recent_order.emplace_back(until, key);
  }

  std::size_t ready() const { return lines[0].size() + lines[1].size(); }

  void update_depth() {
    for (std::size_t i = 0; i < kLines; ++i) metrics.depth[i]->set(static_cast<double>(lines[i].size()));
  }

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
  std::array<std::map<std::uint64_t, ObjectKey>, kLines> lines;  // ready keys by ticket
  std::uint64_t last_ticket = 0;
  int fresh_taken = 0;  // since the last background key
  std::unordered_map<ObjectKey, Waiting> dirty;
  std::unordered_map<ObjectKey, SteadyTime> processing;
  std::unordered_map<ObjectKey, Delayed> delayed;
  std::set<std::pair<SteadyTime, const ObjectKey*>, Earlier> by_time;  // the entries of `delayed`, by its keys
  std::unordered_map<ObjectKey, SteadyTime> recent;  // not to be handed out because of an add(): until when
  std::deque<std::pair<SteadyTime, ObjectKey>> recent_order;
  std::unordered_map<ObjectKey, int> failed;
  bool shut_down = false;
  std::shared_ptr<void> before_scrape;  // last: its function uses what is above
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

void WorkQueue::add_rate_limited(const ObjectKey& key, Priority priority, Duration at_least) {
  std::lock_guard hold(impl_->mutex);
  if (impl_->shut_down) return;
  const int before = impl_->failed[key]++;
  impl_->metrics.retries.increment();
  Duration delay = impl_->options.base_delay;
  for (int i = 0; i < before && delay < impl_->options.maximum_delay; ++i) delay *= 2;
  if (at_least > Duration::zero()) impl_->cool(key, std::min(at_least, impl_->options.longest_hold));
  impl_->add_after(key, std::min(std::max(delay, at_least), impl_->options.maximum_delay), priority);
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

std::optional<WorkQueue::Item> WorkQueue::get(std::stop_token stop) {
  std::unique_lock lock(impl_->mutex);
  while (!stop.stop_requested()) {
    impl_->promote();
    if (auto item = impl_->take()) return item;
    if (impl_->shut_down) return std::nullopt;
    const SteadyTime due = impl_->next_due();
    impl_->clock.wait_until(impl_->changed, lock, stop, due, [&] {
      const bool sooner = !impl_->by_time.empty() && impl_->by_time.begin()->first < due;
      return impl_->shut_down || impl_->ready() != 0 || sooner;
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
  const auto waiting = impl_->dirty.find(key);
  if (waiting == impl_->dirty.end()) return;
  const auto cooling = impl_->recent.find(key);
  if (cooling == impl_->recent.end() || cooling->second <= impl_->clock.steady_now() || impl_->shut_down) {
    return impl_->make_ready(key, waiting->second);
  }
  const Priority priority = waiting->second.priority;
  impl_->dirty.erase(waiting);
  impl_->delay_until(key, cooling->second, priority);
}

void WorkQueue::shutdown() {
  std::lock_guard hold(impl_->mutex);
  impl_->shut_down = true;
  impl_->by_time.clear();
  impl_->delayed.clear();
  impl_->changed.notify_all();
}

bool WorkQueue::is_shut_down() const {
  std::lock_guard hold(impl_->mutex);
  return impl_->shut_down;
}

std::size_t WorkQueue::size() const {
  std::lock_guard hold(impl_->mutex);
  return impl_->ready();
}

}  // namespace imageclassifier::runtime
