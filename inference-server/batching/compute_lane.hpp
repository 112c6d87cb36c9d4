#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "common/clock.hpp"
#include "common/guarded.hpp"
#include "common/result.hpp"
#include "inference-server/batching/service_rate.hpp"

namespace imageclassifier::batching {

/// kHigh overtakes what waits; nothing overtakes what is being computed.
enum class Priority : std::uint8_t { kHigh, kNormal };

/// How long one task took on its way, for the answer and the metrics.
struct LaneTiming {
  Duration queue{};    ///< submitted to taken
  Duration compute{};  ///< of the batch that it was in
  std::size_t batch = 0;
};

struct LaneOptions {
  std::size_t queue_depth = 64;  ///< tasks that wait or are reserved; the batch being computed does not count
  std::size_t max_batch = 8;     ///< beyond this, larger batches gain little and delay everybody
  int lanes = 1;                 ///< batches computed at a time, each by a thread of its own
};

/// The sizes of the batches that a lane makes: powers of two, so that a model is warm for every one of them after a
/// few.
inline std::vector<std::size_t> batch_sizes(const LaneOptions& options) {
  std::vector<std::size_t> sizes;
  for (std::size_t size = 1; size <= std::min(options.max_batch, options.queue_depth); size *= 2) sizes.push_back(size);
  return sizes;
}

/// A bounded queue and one thread that computes: all cores belong to one batch at a time. On large machines several
/// lanes may empty the same queue. A batch is what waits, by priority and then in the order of arrival, as many as the
/// largest of batch_sizes allows, and no more than its share where other lanes are idle; a lone task waits for nobody.
/// Expired and abandoned tasks are dropped before they are computed and keep no place from others. Thread safe;
/// `compute` and every `done` run on the lane's thread, so with one lane one at a time. No LibTorch, no HTTP: tasks in,
/// results out.
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
    /// Called exactly once. kDeadlineExceeded: expired while waiting; kCancelled: abandoned; kUnavailable: the lane
    /// stopped.
    std::function<void(Result<Output>, const LaneTiming&)> done{};
    Priority priority = Priority::kNormal;
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
    /// A reservation of its own for one of the places, of which there must be one.
    Reservation split() {
      --places_;
      return Reservation(*lane_, 1);
    }

   private:
    friend class ComputeLane;
    ComputeLane* lane_;
    std::size_t places_;
  };

  ComputeLane(LaneOptions options, Clock& clock, Compute compute)
      : options_(options), clock_(clock), compute_(std::move(compute)) {
    state_.lock()->idle = static_cast<std::size_t>(options_.lanes);
    for (int lane = 0; lane < options_.lanes; ++lane) {
      threads_.emplace_back([this](const std::stop_token& stop) { run(stop); });
    }
  }

  /// Waiting tasks end with kUnavailable; the batch being computed is finished first. Every reservation must be gone.
  ~ComputeLane() {
    for (std::jthread& thread : threads_) thread.request_stop();
  }
  ComputeLane(const ComputeLane&) = delete;
  ComputeLane& operator=(const ComputeLane&) = delete;

  /// kExhausted: fewer than `places` are free. kDeadlineExceeded: by the measured time for each task the last of them
  /// would be late; an idle lane always takes them, so that a wrong measure mends itself. kInvalidArgument: more than
  /// the queue ever has.
  Result<Reservation> reserve(std::size_t places, SteadyTime deadline = SteadyTime::max()) {
    const SteadyTime now = clock_.steady_now();
    auto state = state_.lock();
    if (places > options_.queue_depth) return fail(ErrorCode::kInvalidArgument, "more tasks than the queue has places");
    const auto too_late = [&] { return state->rate.present() > 0 && deadline - now < state->rate.expected(places); };
    if (in_queue(*state) + places > options_.queue_depth || too_late()) sweep(*state, now);
    if (in_queue(*state) + places > options_.queue_depth) return fail(ErrorCode::kExhausted, "the queue is full");
    if (too_late()) {
      return fail(ErrorCode::kDeadlineExceeded, "the queue is too long for the time limit");
    }
    state->reserved += places;
    state->rate.arrived(places, now);
    return Reservation(*this, places);
  }

  /// Turns reserved places into tasks; places that are left over are given back. At most as many tasks as places.
  void submit(Reservation reservation, std::vector<Task> tasks) {
    const SteadyTime now = clock_.steady_now();
    auto state = state_.lock();
    const std::size_t used = std::min(tasks.size(), reservation.places_);
    reservation.places_ -= used;
    state->reserved -= used;
    for (Task& task : tasks) {
      auto& queue = state->waiting[static_cast<std::size_t>(task.priority)];
      queue.push_back({std::move(task), now});
    }
    wake_.notify_all();
    // The lock goes before the reservation's rest is given back.
    state.mutex_lock().unlock();
  }

  /// Runs `work`, which does the same as `tasks` tasks, on a lane's thread before what waits, and returns when it is
  /// done: a warm-up needs the thread that computes, but no place in the queue. Not done when the lane stops first.
  void run_on_lane(std::size_t tasks, std::function<void()> work) {
    std::promise<void> done;
    std::future<void> result = done.get_future();
    state_.lock()->errands.push_back({tasks, std::move(work), std::move(done)});
    wake_.notify_all();
    result.wait();
  }

  /// Tasks that wait or are reserved.
  std::size_t depth() { return in_queue(*state_.lock()); }

  /// How long until a task that arrived now would be done, from the measured time per task; zero before the first one.
  Duration expected_wait() { return state_.lock()->rate.expected(); }
  /// The measured time per task.
  Duration time_per_task() { return state_.lock()->rate.per_item(); }

 private:
  struct Waiting {
    Task task;
    SteadyTime since;
  };
  struct Errand {
    std::size_t tasks;
    std::function<void()> work;
    std::promise<void> done;
  };
  struct State {
    std::array<std::deque<Waiting>, 2> waiting;  // by priority
    std::deque<Waiting> dead;                    // to be told so by the lane's thread
    std::deque<Errand> errands;
    std::size_t reserved = 0;
    std::size_t idle = 0;  // lanes that compute nothing
    ServiceRate rate;
  };

  static std::size_t in_queue(const State& state) {
    return state.waiting[0].size() + state.waiting[1].size() + state.reserved;
  }

  static bool is_dead(const Waiting& waiting, SteadyTime now) {
    return waiting.task.deadline <= now || (waiting.task.abandoned && waiting.task.abandoned());
  }

  void release(std::size_t places) {
    auto state = state_.lock();
    state->reserved -= places;
    state->rate.departed(places, clock_.steady_now(), false);
  }

  /// Gives the places of those that nobody needs any more to others.
  void sweep(State& state, SteadyTime now) {
    const std::size_t before = state.dead.size();
    for (std::deque<Waiting>& queue : state.waiting) {
      const auto alive =
          std::stable_partition(queue.begin(), queue.end(), [now](const Waiting& one) { return !is_dead(one, now); });
      std::move(alive, queue.end(), std::back_inserter(state.dead));
      queue.erase(alive, queue.end());
    }
    state.rate.departed(state.dead.size() - before, now, false);
    if (!state.dead.empty()) wake_.notify_all();
  }

  void run(const std::stop_token& stop) {
    bool busy = false;
    while (true) {
      std::vector<Waiting> batch;
      std::deque<Waiting> dead;
      std::optional<Errand> errand;
      {
        auto state = state_.lock();
        if (std::exchange(busy, false)) ++state->idle;
        wake_.wait(state.mutex_lock(), stop, [&state] {
          return !state->waiting[0].empty() || !state->waiting[1].empty() || !state->dead.empty() ||
                 !state->errands.empty();
        });
        if (stop.stop_requested()) break;
        sweep(*state, clock_.steady_now());
        dead.swap(state->dead);
        if (state->errands.empty()) {
          batch = take(*state);
        } else {
          errand = std::move(state->errands.front());
          state->errands.pop_front();
        }
        busy = !batch.empty() || errand;
        if (busy) --state->idle;
      }
      for (Waiting& one : dead) finish_dead(one);
      if (errand) run(*errand);
      if (!batch.empty()) compute(std::move(batch));
    }
    auto rest = state_.with([](State& state) {
      std::move(state.waiting[0].begin(), state.waiting[0].end(), std::back_inserter(state.dead));
      std::move(state.waiting[1].begin(), state.waiting[1].end(), std::back_inserter(state.dead));
      state.waiting = {};
      return std::exchange(state.dead, {});
    });
    for (Waiting& waiting : rest) finish(waiting, fail(ErrorCode::kUnavailable, "the server is stopping"), {});
  }

  void run(Errand& errand) {
    state_.lock()->rate.arrived(errand.tasks, clock_.steady_now());
    errand.work();
    state_.lock()->rate.departed(errand.tasks, clock_.steady_now());
    // Last: who waited for it finds the lane idle.
    errand.done.set_value();
  }

  std::vector<Waiting> take(State& state) const {
    std::vector<Waiting> batch;
    const std::size_t waiting = state.waiting[0].size() + state.waiting[1].size();
    const std::size_t share = (waiting + state.idle - 1) / state.idle;
    const std::size_t size = waiting == 0 ? 0 : std::bit_floor(std::min(share, options_.max_batch));
    while (batch.size() < size) {
      auto& queue = state.waiting[0].empty() ? state.waiting[1] : state.waiting[0];
      batch.push_back(std::move(queue.front()));
      queue.pop_front();
    }
    return batch;
  }

  void finish_dead(Waiting& waiting) const {
    const SteadyTime now = clock_.steady_now();
    const LaneTiming timing{.queue = now - waiting.since, .compute = {}, .batch = 0};
    if (waiting.task.deadline <= now) {
      finish(waiting, fail(ErrorCode::kDeadlineExceeded, "the time limit passed while the task waited"), timing);
    } else {
      finish(waiting, fail(ErrorCode::kCancelled, "nobody waits for the answer any more"), timing);
    }
  }

  void compute(std::vector<Waiting> batch) {
    std::vector<Input> inputs;
    inputs.reserve(batch.size());
    for (Waiting& waiting : batch) inputs.push_back(std::move(waiting.task.input));
    const SteadyTime begin = clock_.steady_now();
    Result<std::vector<Output>> outputs = compute_(std::move(inputs));
    const SteadyTime end = clock_.steady_now();
    state_.lock()->rate.departed(batch.size(), end);
    if (outputs && outputs->size() != batch.size()) {
      outputs = fail(ErrorCode::kInternal, "the model gave another number of results than inputs");
    }
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const LaneTiming timing{.queue = begin - batch[i].since, .compute = end - begin, .batch = batch.size()};
      if (outputs) {
        finish(batch[i], std::move((*outputs)[i]), timing);
      } else {
        finish(batch[i], fail(outputs.error()), timing);
      }
    }
  }

  static void finish(Waiting& waiting, Result<Output> result, const LaneTiming& timing) {
    waiting.task.done(std::move(result), timing);
  }

  LaneOptions options_;
  Clock& clock_;
  Compute compute_;
  Guarded<State> state_;
  std::condition_variable_any wake_;
  std::vector<std::jthread> threads_;  // last: they use the rest
};

}  // namespace imageclassifier::batching
