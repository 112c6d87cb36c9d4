#pragma once

#include "common/clock.hpp"

namespace imageclassifier::batching {

/// When clients that are refused should come back: each gets a time of its own, one service time after the one before,
/// so that a crowd that was refused in one moment does not come back in one. The times already given away move into the
/// past with the clock; whether anybody keeps them is not known, so nobody is sent further away than eight times what
/// the queue takes (a second at least): those who come back late wait for no one. Not thread safe.
class ReturnTimes {
 public:
  static constexpr int kMostQueues = 8;
  static constexpr std::chrono::seconds kLongest{60};

  /// How long the client of `items` items should stay away, when the queue takes `queue` and one item takes `each`.
  Duration next(std::size_t items, Duration queue, Duration each, SteadyTime now);

 private:
  SteadyTime given_until_{};
};

}  // namespace imageclassifier::batching
