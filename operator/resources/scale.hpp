#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/clock.hpp"
#include "operator/api/specification.hpp"

namespace imageclassifier::resources {

/// How many pods are wanted, and who says so.
struct Scale {
  enum class Mode {
    kFixed,       ///< `replicas`, by spec.replicas or by an open window of the schedule
    kAutoscaled,  ///< at least `replicas`; the autoscaler decides
    kSuspended,   ///< none, by spec.suspend
    kOutside,     ///< none, because no window of the schedule is open
    kUnknown      ///< what there is stays: the schedule cannot be read, see `problem`
  };
  Mode mode = Mode::kFixed;
  bool autoscaled = false;  ///< spec.autoscaling is set, whatever the mode
  std::int64_t replicas = 1;
  std::optional<WallTime> next_change;  ///< by the schedule
  std::string problem;                  ///< kUnknown: why, without a full stop
};

/// Pure but for the time zone database.
Scale wanted_scale(const api::Spec& spec, WallTime now);
/// As if there were neither suspension nor schedule.
Scale unscheduled_scale(const api::Spec& spec);

/// What spec.replicas of the Deployment is to be. Nothing: the autoscaler's own. An autoscaler does not act on a
/// Deployment with 0 replicas, so that one that is new or was suspended is started at the minimum; `present` is what it
/// has, if it exists.
std::optional<std::int64_t> wanted_replicas(const Scale& scale, std::optional<std::int64_t> present);

}  // namespace imageclassifier::resources
