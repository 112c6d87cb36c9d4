#include "inference-server/batching/decode_pool.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

namespace imageclassifier::batching {
namespace {

/// Too few pixels say more of the fixed costs of a file than of its pixels.
constexpr std::uint64_t kLeastMeasured = 10'000;

}  // namespace

DecodePool::DecodePool(DecodePoolOptions options, Clock& clock) : options_(options), clock_(clock) {
  options_.threads = std::max(options_.threads, 2);
  for (int i = 0; i < options_.threads; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) { run(stop); });
  }
}

DecodePool::~DecodePool() {
  for (std::jthread& thread : threads_) thread.request_stop();
  threads_.clear();
}

void DecodePool::submit(Job job) {
  const SteadyTime turn = clock_.steady_now() + options_.patience * static_cast<std::int64_t>(job.pixels);
  auto state = state_.lock();
  state->pixels += job.pixels;
  state->waiting.emplace(Key{job.priority, turn}, std::move(job));
  wake_.notify_all();
}

Duration DecodePool::expected(std::uint64_t pixels) {
  auto state = state_.lock();
  const auto shared = static_cast<double>(state->pixels) / options_.threads;
  return Duration(static_cast<std::int64_t>((shared + static_cast<double>(pixels)) * state->ns_per_pixel));
}

std::multimap<DecodePool::Key, DecodePool::Job>::iterator DecodePool::next(State& state) const {
  const bool full = state.large >= options_.threads - 1;
  return std::find_if(state.waiting.begin(), state.waiting.end(),
                      [&](const auto& entry) { return !full || entry.second.pixels < options_.large; });
}

void DecodePool::run(const std::stop_token& stop) {
  // Linux has a nice value for each thread; where it cannot be raised, decoding only competes more.
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), options_.nice);
  while (true) {
    Job job;
    {
      auto state = state_.lock();
      wake_.wait(state.mutex_lock(), stop, [&] { return next(*state) != state->waiting.end(); });
      const auto found = next(*state);
      if (found == state->waiting.end()) {
        // Stopping: what is left is large and waits for a thread that works on a large one, which takes it then.
        return;
      }
      job = std::move(found->second);
      state->waiting.erase(found);
      if (job.pixels >= options_.large) ++state->large;
    }
    work(job);
  }
}

void DecodePool::work(const Job& job) {
  const SteadyTime begin = clock_.steady_now();
  job.work();
  const auto took = static_cast<double>((clock_.steady_now() - begin).count());
  auto state = state_.lock();
  state->pixels -= job.pixels;
  if (job.pixels >= options_.large) --state->large;
  wake_.notify_all();
  if (job.pixels < kLeastMeasured) return;
  const double each = took / static_cast<double>(job.pixels);
  state->ns_per_pixel = state->ns_per_pixel == 0 ? each : (state->ns_per_pixel * 3 + each) / 4;
}

}  // namespace imageclassifier::batching
