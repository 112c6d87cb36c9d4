#include "operator/reconciler/prober.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>
#include <utility>
#include <vector>

namespace imageclassifier::reconciler {

struct EndpointProber::Impl {
  /// What most endpoints have none of; of the rest ten thousand are held.
  struct Rare {
    std::string detail;
    std::string certificates;
    std::string former_certificates;
    ProbeResult other;       ///< a failure that is not the one told
    int others = 0;          ///< how often in a row
    bool inside = false;     ///< of the one told
    bool forbidden = false;  ///< likewise
  };
  struct Target {
    std::string url;
    std::string way;
    std::string inside_url;
    std::string trigger;
    std::shared_ptr<const api::ModelStatus> model;  ///< shared with others that have the same
    std::unique_ptr<Rare> rare;
    SteadyTime due{};
    int failures = 0;
    EndpointState::Kind kind = EndpointState::Kind::kUnknown;
    bool reached = false;
    bool busy = false;
    bool patient = false;          ///< waits among those that are known not to answer
    std::uint64_t generation = 0;  ///< of this entry, so that the answer for a forgotten one is recognised
    std::uint64_t version = 0;     ///< changes when url or trigger do, so that a late answer is recognised
  };
  using Targets = std::map<runtime::ObjectKey, Target>;
  /// Those that no thread is busy with, by time; the keys are those of the targets.
  using Line = std::set<std::pair<SteadyTime, const runtime::ObjectKey*>>;

  Impl(Options o, Probe p, OnChange c, Clock& k) : options(o), probe(std::move(p)), on_change(std::move(c)), clock(k) {}

  Line& line_of(const Target& target) { return target.patient ? patient : prompt; }

  void enter_line(Targets::value_type& entry) {
    if (entry.second.busy) return;
    Line& line = line_of(entry.second);
    const auto place = line.emplace(entry.second.due, &entry.first).first;
    if (place == line.begin()) tell_watcher();
  }

  void tell_watcher() {
    ++changes;
    earlier.notify_one();
  }

  void leave_line(const Targets::value_type& entry) {
    if (!entry.second.busy) line_of(entry.second).erase({entry.second.due, &entry.first});
  }

  /// The line whose first key may be asked now, or the earlier one.
  Line* first_line() {
    const int patient_at_most = std::max(1, options.threads * 3 / 4);
    Line* late = patient.empty() || patient_busy >= patient_at_most ? nullptr : &patient;
    if (prompt.empty()) return late;
    if (late == nullptr || prompt.begin()->first <= std::max(clock.steady_now(), late->begin()->first)) return &prompt;
    return late;
  }

  /// Waits for work. Null when stopped.
  Targets::value_type* take(std::unique_lock<std::mutex>& lock, std::stop_token stop) {
    while (!stop.stop_requested()) {
      Line* line = first_line();
      if (line != nullptr && line->begin()->first <= clock.steady_now()) {
        auto& entry = *targets.find(*line->begin()->second);
        line->erase(line->begin());
        entry.second.busy = true;
        if (!watched) wanted.notify_one();
        return &entry;
      }
      const SteadyTime latest = clock.steady_now() + std::chrono::hours(1);
      ++idle;
      if (watched) {
        clock.wait_until(wanted, lock, stop, latest, [&] { return !watched; });
      } else {
        watched = true;
        const std::uint64_t seen = changes;
        clock.wait_until(earlier, lock, stop, line != nullptr ? line->begin()->first : latest,
                         [&] { return changes != seen; });
        watched = false;
      }
      --idle;
    }
    if (!watched) wanted.notify_one();
    return nullptr;
  }

  static const Rare& rare_in(const Target& target) {
    static const Rare kNone;
    return target.rare ? *target.rare : kNone;
  }
  static Rare& rare_of(Target& target) {
    if (!target.rare) target.rare = std::make_unique<Rare>();
    return *target.rare;
  }
  static EndpointState state_of(const Target& target) {
    const Rare& rare = rare_in(target);
    EndpointState state{target.kind, target.url,     target.way,     rare.detail,
                        rare.inside, rare.forbidden, target.reached, {}};
    if (target.model) state.model = *target.model;
    return state;
  }

  /// An equal one that was met lately, if there is one.
  std::shared_ptr<const api::ModelStatus> shared(const std::optional<api::ModelStatus>& model) {
    constexpr std::size_t kDistinct = 16;
    if (!model) return nullptr;
    for (const auto& known : models) {
      if (*known == *model) return known;
    }
    if (models.size() == kDistinct) models.pop_front();
    models.push_back(std::make_shared<const api::ModelStatus>(*model));
    return models.back();
  }

  /// Returns whether the state changed, or may change by a look at the certificate.
  bool store(Target& target, const ProbeResult& result) {
    const EndpointState before = state_of(target);
    if (result.ok) {
      // Those that become healthy together are not to be asked together for ever after.
      std::uniform_real_distribution<double> part(before.kind == EndpointState::Kind::kHealthy ? 1.0 : 0.1, 1.0);
      target.due =
          clock.steady_now() +
          Duration(static_cast<Duration::rep>(static_cast<double>(options.healthy_interval.count()) * part(random)));
      target.failures = 0;
      target.patient = false;
      target.kind = EndpointState::Kind::kHealthy;
      target.reached = true;
      target.model = shared(result.model);
      forget_failures(target);
      return before != state_of(target);
    }
    const Duration delay = std::min(options.last_retry, options.first_retry * (1 << std::min(target.failures, 10)));
    target.failures += 1;
    target.due = clock.steady_now() + delay;
    if (target.failures >= options.failures_to_unhealthy) {
      target.patient = true;
      note_failure(target, result);
    }
    return before != state_of(target) || (result.untrusted && target.failures == 1);
  }

  static void forget_failures(Target& target) {
    if (!target.rare) return;
    target.rare->detail.clear();
    target.rare->others = 0;
    target.rare->inside = target.rare->forbidden = false;
    if (target.rare->certificates.empty() && target.rare->former_certificates.empty()) target.rare.reset();
  }

  /// A cause is told anew only when it has been the only one for as long as it takes to become unhealthy.
  void note_failure(Target& target, const ProbeResult& result) {
    Rare& rare = rare_of(target);
    const auto is_like = [&](const auto& known) {
      return result.detail == known.detail && result.inside == known.inside;
    };
    if (target.kind == EndpointState::Kind::kUnhealthy) {
      rare.others = is_like(rare) ? 0 : is_like(rare.other) ? rare.others + 1 : 1;
      rare.other = result;
      if (rare.others < options.failures_to_unhealthy) return;
    }
    rare.others = 0;
    target.kind = EndpointState::Kind::kUnhealthy;
    rare.detail = result.detail;
    rare.inside = result.inside;
    rare.forbidden = result.forbidden;
    if (result.inside) target.model = shared(result.model);
  }

  void work(std::stop_token stop) {
    std::unique_lock lock(mutex);
    while (Targets::value_type* entry = take(lock, stop)) {
      if (idle == 0) add_thread();
      const runtime::ObjectKey key = entry->first;
      const Target& target = entry->second;
      const std::uint64_t generation = target.generation, version = target.version;
      const Rare& rare = rare_in(target);
      const ProbeTarget asked{target.url, rare.certificates + rare.former_certificates, target.inside_url, target.way};
      const int patience = target.patient ? 1 : 0;
      patient_busy += patience;
      lock.unlock();
      const ProbeResult result = probe(asked, stop);
      lock.lock();
      patient_busy -= patience;
      if (patience != 0) tell_watcher();  // it may have passed over the patient ones
      const auto found = targets.find(key);
      if (found == targets.end() || found->second.generation != generation || stop.stop_requested()) continue;
      found->second.busy = false;
      const bool changed = found->second.version == version && store(found->second, result);
      enter_line(*found);
      if (!changed) continue;
      lock.unlock();
      on_change(key);
      lock.lock();
    }
  }

  void add_thread() {
    if (stopping || static_cast<int>(threads.size()) >= options.threads) return;
    threads.emplace_back([this](std::stop_token stop) { work(stop); });
  }

  const Options options;
  const Probe probe;
  const OnChange on_change;
  Clock& clock;
  mutable std::mutex mutex;
  // One idle thread watches the clock, the others wait for its place: else every answer would wake all of them.
  std::condition_variable_any earlier;  ///< for the one that watches: something is due before what it waits for
  std::condition_variable_any wanted;   ///< for the others: nobody watches
  bool watched = false;
  Targets targets;
  Line prompt, patient;
  int patient_busy = 0;
  int idle = 0;  ///< threads that wait for work
  bool stopping = false;
  std::uint64_t changes = 0;
  std::uint64_t versions = 0;
  std::deque<std::shared_ptr<const api::ModelStatus>> models;
  std::minstd_rand random{std::random_device{}()};
  std::vector<std::jthread> threads;
};

EndpointProber::EndpointProber(Options options, Probe probe, OnChange on_change, Clock& clock)
    : impl_(std::make_unique<Impl>(options, std::move(probe), std::move(on_change), clock)) {}

EndpointProber::~EndpointProber() {
  stop();
}

void EndpointProber::start() {
  const std::unique_lock lock(impl_->mutex);
  impl_->add_thread();
}

void EndpointProber::stop() {
  std::unique_lock lock(impl_->mutex);
  impl_->stopping = true;
  std::vector<std::jthread> threads = std::move(impl_->threads);
  lock.unlock();
  for (std::jthread& thread : threads) thread.request_stop();
}

void EndpointProber::watch(const runtime::ObjectKey& key, const ProbeTarget& wanted, const std::string& trigger) {
  const std::unique_lock lock(impl_->mutex);
  const auto [entry, is_new] = impl_->targets.try_emplace(key);
  Impl::Target& target = entry->second;
  const bool moved = target.url != wanted.url || target.way != wanted.way;
  const bool renewed = Impl::rare_in(target).certificates != wanted.certificates;
  if (!is_new && !moved && !renewed && target.inside_url == wanted.inside_url && target.trigger == trigger) return;
  if (is_new) {
    target.generation = ++impl_->versions;
  } else {
    impl_->leave_line(*entry);
  }
  if (renewed) {
    Impl::Rare& rare = Impl::rare_of(target);
    rare.former_certificates = moved ? std::string() : std::move(rare.certificates);
    rare.certificates = wanted.certificates;
  }
  if (moved) {
    target.url = wanted.url;
    target.way = wanted.way;
    target.kind = EndpointState::Kind::kUnknown;
    target.reached = false;
    target.model = nullptr;
    target.failures = 0;
    Impl::forget_failures(target);
  }
  target.inside_url = wanted.inside_url;
  target.trigger = trigger;
  target.due = impl_->clock.steady_now();
  target.patient = false;
  target.version = ++impl_->versions;
  impl_->enter_line(*entry);
}

void EndpointProber::forget(const runtime::ObjectKey& key) {
  const std::unique_lock lock(impl_->mutex);
  const auto found = impl_->targets.find(key);
  if (found == impl_->targets.end()) return;
  impl_->leave_line(*found);
  impl_->targets.erase(found);
}

EndpointState EndpointProber::state(const runtime::ObjectKey& key) const {
  const std::unique_lock lock(impl_->mutex);
  const auto found = impl_->targets.find(key);
  return found == impl_->targets.end() ? EndpointState{} : Impl::state_of(found->second);
}

}  // namespace imageclassifier::reconciler
