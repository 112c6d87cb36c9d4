#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "operator/kubernetes/transport.hpp"

namespace imageclassifier::kubernetes {

/// metav1.Status: how the API server explains a refusal.
struct Status {
  struct Cause {
    std::string reason;
    std::string field;
    std::string message;
  };
  int code = 0;
  std::string reason;  ///< "AlreadyExists", "Expired", ...; empty when the answer was no Status
  std::string message;
  std::vector<Cause> causes;
  std::optional<std::chrono::seconds> retry_after;  ///< from details.retryAfterSeconds
};

/// Reads a Status object from JSON; nothing if it is none. At most 64 causes and 4 KiB of each text are kept.
std::optional<Status> parse_status(std::string_view json);

/// The Status of a refusal; made up from the HTTP status when the body holds none. The header Retry-After fills
/// retry_after when the body does not.
Status status_of(int http_status, const std::vector<Header>& headers, std::string_view body);

/// The error code that a caller decides on: 404 kNotFound, 409 kAlreadyExists or kConflict by reason, 410 kNotFound,
/// 401 kUnauthenticated, 403 kPermissionDenied, 400/405/406/415/422 kInvalidArgument, 413 kTooLarge, 429 kExhausted,
/// 504 kDeadlineExceeded, other 5xx kUnavailable (500 kInternal).
ErrorCode error_code(const Status& status);

/// Error with error_code(status), the server's Retry-After and its own sentence behind `what` ("Applying
/// deployments.apps a/b").
Error to_error(const Status& status, std::string_view what);

/// The requested resource version is older than the server's history (410, or reason Expired or Gone).
bool is_expired(const Status& status);
/// The requested resource version is newer than anything this server has seen (cause ResourceVersionTooLarge).
bool is_too_large_resource_version(const Status& status);
/// Nothing can be made any more in a namespace that is being deleted (403 with the cause NamespaceTerminating).
bool is_namespace_terminating(const Status& status);

}  // namespace imageclassifier::kubernetes
