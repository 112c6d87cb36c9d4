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
/// Thread safe.
class WriteBarrier {
 public:
  struct Options {
    /// After this long the barrier opens by itself, so that a lost watch cannot stop work; the caller should then read
    /// live. 10 s is the order of client-go's watch delays under load.
    Duration timeout = std::chrono::seconds(10);
  };
  enum class Gate {
    kOpen,     ///< every write was seen
    kClosed,   ///< requeue shortly
    kTimedOut  ///< opened by time; the caches may be older than the writes: read live before deciding
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
  Gate check(const ObjectKey& owner);
  /// The owner is gone.
  void forget(const ObjectKey& owner);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace imageclassifier::runtime
