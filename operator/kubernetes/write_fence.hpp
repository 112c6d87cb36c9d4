#pragma once

#include <functional>
#include <optional>

#include "common/clock.hpp"

namespace imageclassifier::kubernetes {

/// Says whether this process may change anything in the cluster now: nothing when it may not, else the time by which a
/// write must have ended. Asked right before every mutating request and each repetition of it; thread safe and quick.
using WriteFence = std::function<std::optional<SteadyTime>()>;

}  // namespace imageclassifier::kubernetes
