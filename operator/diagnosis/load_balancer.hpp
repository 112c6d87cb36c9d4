#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.hpp"
#include "operator/api/service.hpp"
#include "operator/diagnosis/reasons.hpp"

namespace imageclassifier::diagnosis {

/// So long a load balancer controller may stay silent.
inline constexpr std::chrono::seconds kProviderSilence{120};

struct LoadBalancerDiagnosis {
  Finding finding;
  /// Set while the controller is still given time: look again after this.
  std::optional<Duration> look_again;
  /// The events are gone: reason as reported before, with a message that cannot be as good.
  bool remembered = false;
};

/// Why a Service of type LoadBalancer has no address yet, from its events (those of other objects are ignored).
/// `known_reason` is the reason reported before, if any: events expire after an hour, a failure need not.
LoadBalancerDiagnosis diagnose_load_balancer(const api::Service& service, const std::vector<const api::Event*>& events,
                                             WallTime now, std::string_view known_reason);

}  // namespace imageclassifier::diagnosis
