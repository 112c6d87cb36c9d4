#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <thread>
#include <vector>

#include "common/clock.hpp"
#include "common/guarded.hpp"
#include "inference-server/batching/compute_lane.hpp"

namespace imageclassifier::batching {

struct DecodePoolOptions {
  /// Threads that do the work, at least 2. One more than the cores: a small picture need not wait for large ones.
  int threads = 3;
  std::uint64_t large = 2'000'000;  ///< pixels; at most threads - 1 of such pictures are worked on at a time
  /// For each pixel of a picture, how much earlier a smaller one may have come and still goes first: about what
  /// decoding a pixel takes. So a large picture waits no longer for small ones than it takes itself.
  Duration patience{4};
  int nice = 10;  ///< of the threads: they take the cores that the model leaves, see setpriority(2)
};

/// Threads that turn files into inputs, in the gaps of the lane that computes. Jobs go by priority, then by arrival
/// with the head start for small ones that `patience` gives. Thread safe.
class DecodePool {
 public:
  struct Job {
    std::uint64_t pixels = 0;
    Priority priority = Priority::kNormal;
    std::function<void()> work;  ///< must not throw
  };

  DecodePool(DecodePoolOptions options, Clock& clock);
  /// Every job that was submitted is done first.
  ~DecodePool();
  DecodePool(const DecodePool&) = delete;
  DecodePool& operator=(const DecodePool&) = delete;

  void submit(Job job);
  /// How long until a picture of so many pixels that came now would be decoded, from the measured time per pixel; zero
  /// before the first one.
  Duration expected(std::uint64_t pixels);

 private:
  /// Priority, then the time of arrival with the head start.
  using Key = std::pair<Priority, SteadyTime>;
  struct State {
    std::multimap<Key, Job> waiting;
    std::uint64_t pixels = 0;  // waiting or worked on
    int large = 0;             // worked on
    double ns_per_pixel = 0;   // of one thread
  };

  std::multimap<Key, Job>::iterator next(State& state) const;
  void run(const std::stop_token& stop);
  void work(const Job& job);

  DecodePoolOptions options_;
  Clock& clock_;
  Guarded<State> state_;
  std::condition_variable_any wake_;
  std::vector<std::jthread> threads_;  // last: they use the rest
};

}  // namespace imageclassifier::batching
