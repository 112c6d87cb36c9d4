#include "operator/resources/scale.hpp"

namespace imageclassifier::resources {

Scale wanted_scale(const api::Spec& spec) {
  if (spec.suspend) return {Scale::Mode::kSuspended, 0};
  if (spec.autoscaling) return {Scale::Mode::kAutoscaled, spec.autoscaling->min_replicas};
  return {Scale::Mode::kFixed, spec.replicas};
}

std::optional<std::int64_t> wanted_replicas(const Scale& scale, std::optional<std::int64_t> present) {
  if (scale.mode == Scale::Mode::kAutoscaled && present.value_or(0) > 0) return std::nullopt;
  return scale.replicas;
}

}  // namespace imageclassifier::resources
