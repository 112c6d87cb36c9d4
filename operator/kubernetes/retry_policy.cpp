#include "operator/kubernetes/retry_policy.hpp"

#include <algorithm>

#include "operator/kubernetes/status.hpp"

namespace imageclassifier::kubernetes {

std::optional<Duration> retry_delay(Method method, int tries, int maximum_tries, const Result<Response>& answer) {
  if (tries >= maximum_tries) return std::nullopt;
  if (!answer) {
    if (!is_read(method) || answer.error().code != ErrorCode::kUnavailable) return std::nullopt;
    return std::chrono::milliseconds(50) * (1 << std::clamp(tries - 1, 0, 6));
  }
  if (answer->status != 429 && (answer->status < 500 || method == Method::kPost)) return std::nullopt;
  if (!find_header(answer->headers, "Retry-After")) return std::nullopt;
  return status_of(answer->status, answer->headers, {}).retry_after;
}

}  // namespace imageclassifier::kubernetes
