#pragma once

#include <optional>

#include "common/clock.hpp"

namespace imageclassifier::kubernetes {

/// Says whether this process may change anything in the cluster now. Thread safe and quick.
class WriteFence {
 public:
  virtual ~WriteFence() = default;
  /// Before a mutating request, and each repetition of it, is sent: nothing if it must not be, else the time by which
  /// it must have ended. Whoever got a time calls leave() when the request has ended.
  virtual std::optional<SteadyTime> enter() = 0;
  virtual void leave() noexcept = 0;
};

}  // namespace imageclassifier::kubernetes
