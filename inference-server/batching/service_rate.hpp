#pragma once

#include "common/clock.hpp"

namespace imageclassifier::batching {

/// How long one item takes a service that always has something to do: the time between departures while anything is
/// there, so that whatever slows the service down is in it, be it in front of the last step or beside it. A moving
/// average in which the newest departure counts a quarter. Not thread safe.
class ServiceRate {
 public:
  /// `count` items came in. Idle time before it does not count.
  void arrived(std::size_t count, SteadyTime now);
  /// `count` items left together; those that were not served (`served` false) say nothing of the time.
  void departed(std::size_t count, SteadyTime now, bool served = true);

  /// Items that are there.
  std::size_t present() const { return present_; }
  /// Zero before the first departure.
  Duration per_item() const { return per_item_; }
  /// How long until an item that comes now has left.
  Duration expected(std::size_t more = 1) const { return per_item_ * static_cast<std::int64_t>(present_ + more); }

 private:
  std::size_t present_ = 0;
  SteadyTime mark_{};  // the last departure, or the arrival after an idle time
  Duration per_item_{};
};

}  // namespace imageclassifier::batching
