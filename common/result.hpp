#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace imageclassifier {

/// What went wrong, coarse enough that a caller can decide on it. Never decide on the message.
enum class ErrorCode {
  kInvalidArgument,   ///< the input is malformed; retrying the same input cannot help
  kNotFound,          ///< the named thing does not exist
  kAlreadyExists,     ///< the named thing exists and should not
  kConflict,          ///< somebody else changed the thing in between; observe again
  kUnauthenticated,   ///< no or refused credentials
  kPermissionDenied,  ///< known, but not allowed
  kEnding,            ///< what the thing would be part of is being deleted; nothing can be added to it any more
  kTooLarge,          ///< a limit of size or count was exceeded
  kExhausted,         ///< a queue, quota or address pool is full; try later
  kUnavailable,       ///< the peer cannot be reached or says so; try later
  kDeadlineExceeded,  ///< the time budget ended
  kCancelled,         ///< we were asked to stop
  kDataLoss,          ///< content is truncated, corrupt or has the wrong digest
  kUnsupported,       ///< well-formed, but not something we do
  kInternal           ///< a bug of ours or an unexpected answer
};

/// Lower-case name for logs and metric labels, for example "not_found".
const char* to_string(ErrorCode code) noexcept;

/// An expected failure as a value. `message` is one sentence for people that names the object and, where possible,
/// the remedy; it never holds a secret. `cause` is the underlying failure, if any.
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
  std::shared_ptr<const Error> cause;
  /// The peer asked not to be asked again before that (Retry-After, RFC 9110 10.2.3); zero: it did not say.
  std::chrono::seconds retry_after{};

  Error() = default;
  Error(ErrorCode c, std::string m) : code(c), message(std::move(m)) {}
  Error(ErrorCode c, std::string m, Error because)
      : code(c), message(std::move(m)), cause(std::make_shared<const Error>(std::move(because))) {
    retry_after = cause->retry_after;
  }

  /// Message and all causes, joined by ": ".
  std::string describe() const;
};

/// A value or an Error. Exceptions of libraries are turned into this in the one file that wraps the library.
template <typename T>
using Result = tl::expected<T, Error>;

/// Shorthand for returning a failure: `return fail(ErrorCode::kNotFound, "file x does not exist");`
inline tl::unexpected<Error> fail(ErrorCode code, std::string message) {
  return tl::unexpected<Error>(Error(code, std::move(message)));
}
inline tl::unexpected<Error> fail(Error error) {
  return tl::unexpected<Error>(std::move(error));
}

}  // namespace imageclassifier
