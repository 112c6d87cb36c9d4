#include "operator/resources/scale.hpp"

#include "operator/resources/schedule.hpp"

namespace imageclassifier::resources {

Scale unscheduled_scale(const api::Spec& spec) {
  Scale scale;
  scale.autoscaled = spec.autoscaling.has_value();
  scale.mode = scale.autoscaled ? Scale::Mode::kAutoscaled : Scale::Mode::kFixed;
  scale.replicas = spec.autoscaling ? spec.autoscaling->min_replicas : spec.replicas;
  return scale;
}

Scale wanted_scale(const api::Spec& spec, WallTime now) {
  Scale scale = unscheduled_scale(spec);
  if (spec.suspend) {
    scale.mode = Scale::Mode::kSuspended;
    scale.replicas = 0;
    return scale;
  }
  if (!spec.schedule) return scale;
  const Result<ScheduleState> state = evaluate_schedule(*spec.schedule, now);
  if (!state) {
    scale.mode = Scale::Mode::kUnknown;
    scale.problem = state.error().message;
    return scale;
  }
  scale.next_change = state->next_change;
  if (!state->open) {
    scale.mode = Scale::Mode::kOutside;
    scale.replicas = 0;
  } else if (state->replicas) {
    scale.replicas = *state->replicas;
  }
  return scale;
}

std::optional<std::int64_t> wanted_replicas(const Scale& scale, std::optional<std::int64_t> present) {
  const bool unknown = scale.mode == Scale::Mode::kUnknown;
  const bool autoscaler_acts = scale.mode == Scale::Mode::kAutoscaled || (unknown && scale.autoscaled);
  if (autoscaler_acts && present.value_or(0) > 0) return std::nullopt;
  return unknown ? present.value_or(scale.replicas) : scale.replicas;
}

}  // namespace imageclassifier::resources
