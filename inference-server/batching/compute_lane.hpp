#pragma once

#include <algorithm>
#include <bit>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "common/clock.hpp"
#include "common/guarded.hpp"
#include "common/result.hpp"

namespace imageclassifier::batching {

/// How long one task took on its way, for the answer and the metrics.
struct LaneTiming {
  Duration queue{};    ///< submitted to taken
  Duration compute{};  ///< of the batch that it was in
  std::size_t batch = 0;
};

struct LaneOptions {
  std::size_t queue_depth = 64;  ///< tasks that wait or are reserved; the batch being computed does not count
  std::size_t max_batch = 8;     ///< beyond this, larger batches gain little and delay everybody
};

/// The sizes of the batches that a lane makes: powers of two, so that a model is warm for every one of them after a
/// few.
inline std::vector<std::size_t> batch_sizes(const LaneOptions& options) {
  std::vector<std::size_t> sizes;
  for (std::size_t size = 1; size <= std::min(options.max_batch, options.queue_depth); size *= 2) sizes.push_back(size);
  return sizes;
}

/// A bounded queue and exactly one thread that computes: all cores belong to one batch at a time. A batch is what
/// waits, in the order of arrival, as many as the largest of batch_sizes allows; a lone task waits for nobody. Expired
/// and abandoned tasks are dropped before they are computed. Thread safe; `compute` and every `done` run on the lane's
/// thread, one at a time. No LibTorch, no HTTP: tasks in, results out.
template <typename Input, typename Output>
class ComputeLane {
 public:
  /// One output per input, in order.
  using Compute = std::function<Result<std::vector<Output>>(std::vector<Input>)>;

  struct Task {
    Input input;
    SteadyTime deadline{};  ///< not computed after it
    /// True: nobody waits for the result any more. May be empty. Called under the lane's lock: only a look.
    std::function<bool()> abandoned{};
    /// Called exactly once. kDeadlineExceeded: expired while waiting; kCancelled: abandoned or the lane stopped.
    std::function<void(Result<Output>, const LaneTiming&)> done{};
  };

  /// Places in the queue, taken before the work that leads to a task (decoding) is spent; given back when dropped.
  class Reservation {
   public:
    Reservation(ComputeLane& lane, std::size_t places) : lane_(&lane), places_(places) {}
    Reservation(Reservation&& other) noexcept : lane_(other.lane_), places_(std::exchange(other.places_, 0)) {}
    Reservation& operator=(Reservation&&) = delete;
    ~Reservation() {
      if (places_ > 0) lane_->release(places_);
    }

   private:
    friend class ComputeLane;
    ComputeLane* lane_;
    std::size_t places_;
  };

  ComputeLane(LaneOptions options, Clock& clock, Compute compute)
      : options_(options),
        clock_(clock),
        compute_(std::move(compute)),
        thread_([this](std::stop_token stop) { run(stop); }) {}

  /// Waiting tasks end with kCancelled; the batch being computed is finished first.
  ~ComputeLane() {
    thread_.request_stop();
    thread_.join();
  }
  ComputeLane(const ComputeLane&) = delete;
  ComputeLane& operator=(const ComputeLane&) = delete;

  /// kExhausted: fewer than `places` are free. kInvalidArgument: more than the queue ever has.
  Result<Reservation> reserve(std::size_t places) {
    auto state = state_.lock();
    if (places > options_.queue_depth) return fail(ErrorCode::kInvalidArgument, "more tasks than the queue has places");
    if (state->waiting.size() + state->reserved + places > options_.queue_depth) {
      return fail(ErrorCode::kExhausted, "the queue is full");
    }
    state->reserved += places;
    return Reservation(*this, places);
  }

  /// Turns reserved places into tasks; places that are left over are given back. At most as many tasks as places.
  void submit(Reservation reservation, std::vector<Task> tasks) {
    const SteadyTime now = clock_.steady_now();
    auto state = state_.lock();
    const std::size_t used = std::min(tasks.size(), reservation.places_);
    reservation.places_ -= used;
    state->reserved -= used;
    for (Task& task : tasks) state->waiting.push_back({std::move(task), now});
    wake_.notify_all();
    // The lock goes before the reservation's rest is given back.
    state.mutex_lock().unlock();
  }

  /// Tasks that wait or are reserved.
  std::size_t depth() {
    auto state = state_.lock();
    return state->waiting.size() + state->reserved;
  }

  /// How long a task that arrives now would wait, from the measured time per task; zero before the first batch.
  Duration expected_wait() {
    auto state = state_.lock();
    return state->per_task * static_cast<std::int64_t>(state->waiting.size() + state->reserved + state->computing);
  }

 private:
  struct Waiting {
    Task task;
    SteadyTime since;
  };
  struct State {
    std::deque<Waiting> waiting;
    std::size_t reserved = 0;
    std::size_t computing = 0;
    Duration per_task{};
  };

  void release(std::size_t places) { state_.lock()->reserved -= places; }

  void run(const std::stop_token& stop) {
    while (true) {
      std::vector<Waiting> batch;
      {
        auto state = state_.lock();
        wake_.wait(state.mutex_lock(), stop, [&state] { return !state->waiting.empty(); });
        if (stop.stop_requested()) break;
        batch = take(*state);
        state->computing = batch.size();
      }
      batch = drop_dead(std::move(batch));
      if (!batch.empty()) compute(std::move(batch));
    }
    std::deque<Waiting> rest;
    rest.swap(state_.lock()->waiting);
    for (Waiting& waiting : rest) finish(waiting, fail(ErrorCode::kCancelled, "the server is stopping"), {});
  }

  std::vector<Waiting> take(State& state) const {
    std::vector<Waiting> batch;
    const std::size_t size = std::bit_floor(std::min(state.waiting.size(), options_.max_batch));
    while (batch.size() < size) {
      batch.push_back(std::move(state.waiting.front()));
      state.waiting.pop_front();
    }
    return batch;
  }

  std::vector<Waiting> drop_dead(std::vector<Waiting> batch) const {
    std::vector<Waiting> alive;
    const SteadyTime now = clock_.steady_now();
    for (Waiting& waiting : batch) {
      const LaneTiming timing{.queue = now - waiting.since, .compute = {}, .batch = 0};
      if (waiting.task.abandoned && waiting.task.abandoned()) {
        finish(waiting, fail(ErrorCode::kCancelled, "nobody waits for the answer any more"), timing);
      } else if (waiting.task.deadline <= now) {
        finish(waiting, fail(ErrorCode::kDeadlineExceeded, "the time limit passed while the task waited"), timing);
      } else {
        alive.push_back(std::move(waiting));
      }
    }
    return alive;
  }

  void compute(std::vector<Waiting> batch) {
    std::vector<Input> inputs;
    inputs.reserve(batch.size());
    for (Waiting& waiting : batch) inputs.push_back(std::move(waiting.task.input));
    const SteadyTime begin = clock_.steady_now();
    Result<std::vector<Output>> outputs = compute_(std::move(inputs));
    const Duration took = clock_.steady_now() - begin;
    remember(took, batch.size());
    if (outputs && outputs->size() != batch.size()) {
      outputs = fail(ErrorCode::kInternal, "the model gave another number of results than inputs");
    }
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const LaneTiming timing{.queue = begin - batch[i].since, .compute = took, .batch = batch.size()};
      if (outputs) {
        finish(batch[i], std::move((*outputs)[i]), timing);
      } else {
        finish(batch[i], fail(outputs.error()), timing);
      }
    }
  }

  /// A moving average: the newest batch counts a quarter.
  void remember(Duration took, std::size_t count) {
    auto state = state_.lock();
    const Duration each = took / static_cast<std::int64_t>(count);
    state->per_task = state->per_task == Duration{} ? each : (state->per_task * 3 + each) / 4;
    state->computing = 0;
  }

  static void finish(Waiting& waiting, Result<Output> result, const LaneTiming& timing) {
    waiting.task.done(std::move(result), timing);
  }

  LaneOptions options_;
  Clock& clock_;
  Compute compute_;
  Guarded<State> state_;
  std::condition_variable_any wake_;
  std::jthread thread_;  // last: starts when everything else stands
};

}  // namespace imageclassifier::batching
