#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.hpp"
#include "common/result.hpp"
#include "operator/kubernetes/receive_budget.hpp"

namespace imageclassifier::kubernetes {

enum class Method { kGet, kHead, kPost, kPut, kPatch, kDelete };

/// Upper-case HTTP token, for example "GET".
const char* to_string(Method method) noexcept;

/// It changes nothing, and has no body.
constexpr bool is_read(Method method) noexcept {
  return method == Method::kGet || method == Method::kHead;
}

struct Header {
  std::string name;
  std::string value;
  friend bool operator==(const Header&, const Header&) = default;
};

/// First value of `name` (compared without regard to case), or nothing.
std::optional<std::string_view> find_header(const std::vector<Header>& headers, std::string_view name);

/// Whether a header can hold this: a value with a line end in it would add headers of its own.
bool is_header_text(std::string_view text);

/// One HTTP request, relative to the server that the transport was made for.
struct Request {
  Method method = Method::kGet;
  /// Absolute path and query, percent-encoded: "/api/v1/namespaces/a/secrets?limit=500".
  std::string target;
  std::vector<Header> headers;
  std::string body;
  friend bool operator==(const Request&, const Request&) = default;
};

struct Response {
  int status = 0;
  std::vector<Header> headers;
  std::string body;
  std::shared_ptr<ReceiveBudget::Share> share = {};  ///< of the body, for as long as it is kept
};

/// Receives the lines of a streamed body, without their line end ("\n" or "\r\n"), on the thread that called stream().
class LineSink {
 public:
  virtual ~LineSink() = default;
  /// Returns false to end the stream. `line` is valid only during the call.
  virtual bool on_line(std::string_view line) = 0;
};

/// How a stream whose response head arrived has ended.
struct StreamEnd {
  enum class Cause {
    kEndOfStream,     ///< the server closed it in good order
    kBroken,          ///< the connection was lost in the middle
    kIdleTimeout,     ///< no byte arrived for the idle time-out
    kLineTooLong,     ///< a line exceeded the transport's limit
    kEndedBySink,     ///< on_line returned false
    kRefusedByServer  ///< status >= 400; `body` holds the (capped) answer and no line was delivered
  };
  Cause cause = Cause::kEndOfStream;
  int status = 0;
  std::vector<Header> headers;
  std::string body;
};

/// Carries requests to one server. Implementations are thread safe and own connections, trust and client certificate;
/// they never add or log credentials, follow no redirects and retry nothing.
///
/// An HTTP status, whatever it is, is a Response. Errors are those of the way there:
///   kUnavailable       name not resolved, connection refused or lost: retry may help
///   kDeadlineExceeded  the deadline passed; the server may or may not have acted
///   kCancelled         `stop` was requested
///   kTooLarge          head or body exceed the transport's limits, or all bodies that are held the process's
///                      (receive_budget.hpp)
///   kUnauthenticated   TLS: the server's certificate was refused, or it refused ours
class Transport {
 public:
  virtual ~Transport() = default;

  /// Sends and waits for the whole answer. Returns soon after `deadline` or a stop request at the latest.
  virtual Result<Response> send(const Request& request, SteadyTime deadline, std::stop_token stop) = 0;

  /// Sends and delivers the answer line by line until something of StreamEnd::Cause happens. An Error means that no
  /// response head arrived within `idle_timeout`, or that `stop` was requested (kCancelled) at any time.
  virtual Result<StreamEnd> stream(const Request& request, LineSink& sink, Duration idle_timeout,
                                   std::stop_token stop) = 0;
};

}  // namespace imageclassifier::kubernetes
