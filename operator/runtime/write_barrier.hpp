#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/clock.hpp"
#include "operator/runtime/object_key.hpp"

namespace imageclassifier::runtime {

/// Orders two resource versions of the same resource as decimal numbers of any length (KEP-5504): negative, 0 or
/// positive. Nothing can be said (returns 1 for different, 0 for equal texts) when one holds anything but digits.
int compare_resource_versions(std::string_view left, std::string_view right);

/// Read-your-writes (KEP-5647): after a write, the key is not reconciled from a cache older than that write.
///
///   const WriteBarrier::Checked gate = barrier.check(key);
///   if (gate.gate == WriteBarrier::Gate::kClosed) return Outcome::not_yet(gate.look_again);
///   const bool live = gate.gate == WriteBarrier::Gate::kTimedOut;  // then GET everything that the decision compares
///
/// An object, a bookmark or a list that shows the write's version (or a newer one) to the kind's cache opens the gate.
/// Thread safe. Holds one entry per key with writes that no cache has shown yet.
class WriteBarrier {
 public:
  struct Options {
    /// So long after the first write that was not seen the caller is told to read live, so that a late or lost watch
    /// cannot stop work. 10 s is the order of client-go's watch delays under load.
    Duration timeout = std::chrono::seconds(10);
    /// The caches' events bring the key back by themselves; a bookmark does not, so it is looked at again: first after
    /// `first_look`, then after twice as long every time, up to `last_look`.
    Duration first_look = std::chrono::milliseconds(20);
    Duration last_look = std::chrono::seconds(1);
  };
  enum class Gate {
    kOpen,     ///< every write was seen
    kClosed,   ///< not yet: look again
    kTimedOut  ///< decide, but from live reads: the caches are still older than the writes. Stays so until they are not
  };
  struct Checked {
    Gate gate = Gate::kOpen;
    Duration look_again{};  ///< kClosed only
  };
  /// Last version that the cache of `kind` has seen: Informer::last_seen_resource_version.
  using LastSeen = std::function<std::string(std::string_view kind)>;

  WriteBarrier(Options options, LastSeen last_seen, Clock& clock);
  ~WriteBarrier();
  WriteBarrier(const WriteBarrier&) = delete;
  WriteBarrier& operator=(const WriteBarrier&) = delete;

  /// A write for `owner` on an object of `kind` returned `resource_version`.
  void record(const ObjectKey& owner, std::string_view kind, std::string_view resource_version);
  /// May `owner` be reconciled from the caches?
  Checked check(const ObjectKey& owner);
  /// The owner is gone.
  void forget(const ObjectKey& owner);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace imageclassifier::runtime
