#pragma once

#include <optional>

#include "common/clock.hpp"
#include "common/result.hpp"
#include "operator/kubernetes/transport.hpp"

namespace imageclassifier::kubernetes {

/// Decides whether a request is sent again, after client-go's rest/with_retry.go: after a lost connection only GET
/// ("we are not automatically retrying write operations"); after 429 or 5xx only if the server sent Retry-After; POST
/// only after 429, with which a server turns away what it has not begun. Pure.
///
/// `tries` counts those already made. The result is the pause before the next one, or nothing.
std::optional<Duration> retry_delay(Method method, int tries, int maximum_tries, const Result<Response>& answer);

}  // namespace imageclassifier::kubernetes
