#include "operator/reconciler/prober.hpp"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

namespace imageclassifier::reconciler {

struct EndpointProber::Impl {
  struct Target {
    EndpointState state;
    std::string trigger;
    int failures = 0;
    SteadyTime due{};
    bool busy = false;
    std::uint64_t version = 0;  ///< changes when url or trigger do, so that a late answer is recognised
  };

  Impl(Options o, Probe p, OnChange c, Clock& k) : options(o), probe(std::move(p)), on_change(std::move(c)), clock(k) {}

  /// The key that is due first, or nothing when none waits.
  std::optional<runtime::ObjectKey> first_waiting() const {
    std::optional<runtime::ObjectKey> first;
    for (const auto& [key, target] : targets) {
      if (!target.busy && (!first || target.due < targets.at(*first).due)) first = key;
    }
    return first;
  }

  /// Waits for work. Returns false when stopped.
  bool take(std::unique_lock<std::mutex>& lock, std::stop_token stop, runtime::ObjectKey& key) {
    while (!stop.stop_requested()) {
      const auto first = first_waiting();
      if (first && targets.at(*first).due <= clock.steady_now()) {
        key = *first;
        return true;
      }
      const std::uint64_t seen = changes;
      const SteadyTime until = first ? targets.at(*first).due : clock.steady_now() + std::chrono::hours(1);
      clock.wait_until(wake, lock, stop, until, [&] { return changes != seen; });
    }
    return false;
  }

  /// Returns whether the state changed.
  bool store(Target& target, const ProbeResult& result) {
    const EndpointState before = target.state;
    if (result.ok) {
      target.failures = 0;
      target.state.kind = EndpointState::Kind::kHealthy;
      target.state.detail.clear();
      target.state.model = result.model;
      target.due = clock.steady_now() + options.healthy_interval;
      return before != target.state;
    }
    const Duration delay = std::min(options.last_retry, options.first_retry * (1 << std::min(target.failures, 10)));
    target.failures += 1;
    target.due = clock.steady_now() + delay;
    if (target.failures >= options.failures_to_unhealthy) {
      target.state.kind = EndpointState::Kind::kUnhealthy;
      target.state.detail = result.detail;
    }
    return before != target.state;
  }

  void work(std::stop_token stop) {
    std::unique_lock lock(mutex);
    runtime::ObjectKey key;
    while (take(lock, stop, key)) {
      Target& target = targets.at(key);
      target.busy = true;
      const std::uint64_t version = target.version;
      const std::string url = target.state.url;
      lock.unlock();
      const ProbeResult result = probe(url, stop);
      lock.lock();
      const auto found = targets.find(key);
      if (found == targets.end() || stop.stop_requested()) continue;
      found->second.busy = false;
      const bool changed = found->second.version == version && store(found->second, result);
      ++changes;
      wake.notify_all();
      if (!changed) continue;
      lock.unlock();
      on_change(key);
      lock.lock();
    }
  }

  const Options options;
  const Probe probe;
  const OnChange on_change;
  Clock& clock;
  mutable std::mutex mutex;
  std::condition_variable_any wake;
  std::map<runtime::ObjectKey, Target> targets;
  std::uint64_t changes = 0;
  std::uint64_t versions = 0;
  std::vector<std::jthread> threads;
};

EndpointProber::EndpointProber(Options options, Probe probe, OnChange on_change, Clock& clock)
    : impl_(std::make_unique<Impl>(options, std::move(probe), std::move(on_change), clock)) {}

EndpointProber::~EndpointProber() {
  stop();
}

void EndpointProber::start() {
  for (int i = 0; i < impl_->options.threads; ++i) {
    impl_->threads.emplace_back([this](std::stop_token stop) { impl_->work(stop); });
  }
}

void EndpointProber::stop() {
  for (std::jthread& thread : impl_->threads) thread.request_stop();
  impl_->threads.clear();
}

void EndpointProber::watch(const runtime::ObjectKey& key, const std::string& url, const std::string& trigger) {
  const std::unique_lock lock(impl_->mutex);
  Impl::Target& target = impl_->targets[key];
  if (target.state.url == url && target.trigger == trigger) return;
  if (target.state.url != url) {
    target.state = EndpointState{};
    target.state.url = url;
    target.failures = 0;
  }
  target.trigger = trigger;
  target.due = impl_->clock.steady_now();
  target.version = ++impl_->versions;
  ++impl_->changes;
  impl_->wake.notify_all();
}

void EndpointProber::forget(const runtime::ObjectKey& key) {
  const std::unique_lock lock(impl_->mutex);
  impl_->targets.erase(key);
}

EndpointState EndpointProber::state(const runtime::ObjectKey& key) const {
  const std::unique_lock lock(impl_->mutex);
  const auto found = impl_->targets.find(key);
  return found == impl_->targets.end() ? EndpointState{} : found->second.state;
}

}  // namespace imageclassifier::reconciler
