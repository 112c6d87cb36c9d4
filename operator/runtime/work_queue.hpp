#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "common/clock.hpp"
#include "common/metrics.hpp"
#include "operator/runtime/object_key.hpp"

namespace imageclassifier::runtime {

/// Keys waiting to be reconciled, as client-go's util/workqueue and controller-runtime's priority queue.
///
/// - A key is held once, however often it is added (dirty set).
/// - Never two workers on one key: a key that is added while it is being worked on is handed out again only after
///   done() (processing set). Every get() must be followed by done() of the same key.
/// - Two priorities: what a person did just now (kFresh) goes before the first list and resyncs (kBackground). When a
///   key is added again the more urgent priority and the earlier time win, and it takes its place at the end of its
///   new line. Inside a priority keys come out in the order in which they became ready.
/// - No background key waits for ever: after Options::fresh_in_a_row fresh keys one background key has its turn. A
///   time limit instead would let the 10,000 keys of a resync overtake an edit as soon as they have waited that long.
/// - Options::spacing: a key that is added again so soon waits until then, so that a hundred edits in a burst make a
///   few passes: one at the first edit, one after the last. What was delayed on purpose comes at its time.
/// - add_after: of several delays for one key the earliest wins; a key that waits for a worker already is not delayed.
/// - add_rate_limited: add_after with a delay of 5 ms that doubles with every call for the key until forget(), or with
///   `at_least` where that is longer; at most 1000 s. For `at_least`, but no longer than Options::longest_hold, an
///   add() of the key waits too. There is no limit over all keys: the API server has one of its own.
/// - shutdown: no key is accepted any more, ready keys are still handed out, delayed ones are dropped, get() returns
///   nothing when none is left.
///
/// Thread safe. Time is the clock's; no thread of its own. add, get and done cost O(log n).
class WorkQueue {
 public:
  enum class Priority { kFresh, kBackground };

  struct Options {
    std::string name = {};  ///< labels `name` and `controller` of the workqueue_* metrics
    Duration base_delay = std::chrono::milliseconds(5);
    Duration maximum_delay = std::chrono::seconds(1000);
    /// So a resync makes edits at most 1/16 slower, and edits without end make a resync at most 17 times slower.
    int fresh_in_a_row = 16;
    /// Least time from handing out a key to handing it out again because of an add(). 0: none.
    Duration spacing{};
    /// A server that asks to be left alone for longer does not keep a person's edit waiting for longer.
    Duration longest_hold = std::chrono::seconds(10);
  };

  /// What a worker got, with the priority it had: what follows from routine work is routine again.
  struct Item {
    ObjectKey key;
    Priority priority = Priority::kFresh;
  };

  /// `clock` and `metrics` must outlive the queue.
  WorkQueue(Options options, Clock& clock, MetricsRegistry& metrics);
  ~WorkQueue();
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  void add(const ObjectKey& key, Priority priority = Priority::kFresh);
  void add_after(const ObjectKey& key, Duration delay, Priority priority = Priority::kFresh);
  void add_rate_limited(const ObjectKey& key, Priority priority = Priority::kFresh, Duration at_least = {});

  /// The key succeeded (or will never): its next rate-limited delay starts from the beginning.
  void forget(const ObjectKey& key);
  /// How often add_rate_limited was called for the key since forget().
  int failures(const ObjectKey& key) const;

  /// Blocks until a key is ready, the queue is shut down and empty, or `stop` is requested (then: nothing).
  std::optional<Item> get(std::stop_token stop);
  void done(const ObjectKey& key);

  void shutdown();
  bool is_shut_down() const;
  /// Ready keys, without those that are delayed or being worked on.
  std::size_t size() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace imageclassifier::runtime
