#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.hpp"
#include "common/result.hpp"
#include "common/secret.hpp"

namespace imageclassifier {

struct HttpHeader {
  std::string name;
  std::string value;
};

/// One complete request: framing is checked, the body is whole and within its route's limit.
struct HttpRequest {
  std::string method;  ///< upper case; "HEAD" reaches the handler of GET, whose body is then left out
  std::string target;  ///< as sent: path and query
  std::string path;    ///< before the '?', as sent: percent encoding and all
  std::string query;   ///< after the '?', as sent
  std::vector<HttpHeader> headers{};
  std::string body{};
  std::vector<std::string> parameters{};  ///< what the placeholders of the route's path stand for, in order
  SteadyTime started{};                   ///< first byte of the request
  SteadyTime received{};                  ///< last byte of the body

  /// The first header of this name (any case); empty when absent.
  std::string_view header(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";  ///< empty: no Content-Type
  std::string body{};
  std::vector<HttpHeader> headers{};  ///< without Content-Length, Connection, Date: the server sets these
  bool close = false;                 ///< close the connection after this answer
};

/// Why the server itself answered; each reason has one status.
enum class HttpRefusal {
  kBadRequest,            ///< 400 malformed request line, header or Host
  kBadFraming,            ///< 400 Content-Length or Transfer-Encoding that two parties could read differently
  kBadChunk,              ///< 400 malformed, or too many chunks
  kUnauthorized,          ///< 401 Options::admit said no; the refusal's maker adds WWW-Authenticate
  kNotFound,              ///< 404
  kMethodNotAllowed,      ///< 405, with Allow
  kRequestTimeout,        ///< 408
  kBodyTooLarge,          ///< 413
  kExpectationFailed,     ///< 417 Expect other than 100-continue
  kHeaderTooLarge,        ///< 431
  kInternal,              ///< 500 the handler threw or dropped its responder
  kMethodNotImplemented,  ///< 501 unknown method
  kOverloaded             ///< 429 the bodies being read exceed Options::max_buffered_bytes, and this is the slowest
};

struct HttpRefusalContext {
  HttpRefusal reason;
  int status;
  std::string message;                ///< one sentence for people, nothing internal
  std::size_t limit = 0;              ///< kBodyTooLarge: the route's limit in bytes
  const HttpRequest* head = nullptr;  ///< request line and headers when they were read, else null; body is empty
};

/// The right to answer one request: copyable handle, callable from any thread, also after the server is gone (then
/// without effect). The first `respond` counts, later ones are ignored. When the last copy is dropped without an
/// answer the client gets a 500.
class HttpResponder {
 public:
  struct State;
  explicit HttpResponder(std::shared_ptr<State> state) : state_(std::move(state)) {}

  void respond(HttpResponse response) const;
  /// The client closed its side or the connection broke: nobody reads the answer, the work may be dropped.
  bool client_gone() const;
  /// Answers with the server's 500, as dropping every copy does.
  void fail() const;

 private:
  std::shared_ptr<State> state_;
};

using HttpHandler = std::function<void(HttpRequest, HttpResponder)>;

struct HttpRoute {
  std::string method;          ///< "GET" (also serves HEAD), "POST", "PUT", "DELETE", "OPTIONS"
  std::string path;            ///< exact, or a template (match_path); the first route that fits serves
  HttpHandler handler{};       ///< runs on the handler pool; may answer later from any thread
  std::size_t body_limit = 0;  ///< bytes; a larger body is refused with 413
  /// The handler never blocks and is done in a moment: it runs on the I/O thread, so that health is answered while the
  /// pool is busy.
  bool quick = false;
};

/// A finished exchange, for metrics and the access log. Pointers are valid during the call only.
struct HttpExchange {
  std::string route;             ///< the route's path, "other" when none matched
  const HttpRequest* request;    ///< null when no header could be read; the body is not in it
  const HttpResponse* response;  ///< as sent
  Duration duration;             ///< first byte of the request to last byte of the answer
  bool client_gone;              ///< the answer could not be delivered
};

/// What a server shows of itself, as PEM texts: the certificate with its chain, leaf first, and its key, unencrypted.
struct HttpTlsPair {
  std::string certificate_chain;
  Secret key;
};

struct HttpServerOptions {
  std::string address = "0.0.0.0";
  std::uint16_t port = 0;  ///< 0: any free one, see port()
  int handler_threads = 4;
  /// Beyond it the one that waits longest for its client is closed, or one that is answered, or the upload that has
  /// stalled longest.
  std::size_t max_connections = 4096;
  std::size_t max_header_bytes = 16 * 1024;
  std::size_t max_chunks = 100'000;
  std::size_t max_buffered_bytes = 256 * 1024 * 1024;  ///< all bodies together; beyond it the slowest upload gives way
  /// First byte (or accept) to the end of the header; for the first request it includes the TLS handshake.
  std::chrono::milliseconds header_timeout{10'000};
  std::chrono::milliseconds body_idle_timeout{10'000};  ///< for each 4 KiB of a body, and for what is left of it
  std::chrono::milliseconds body_timeout{60'000};       ///< whole body
  std::chrono::milliseconds keep_alive_timeout{60'000};
  std::chrono::milliseconds write_timeout{60'000};  ///< whole answer
  std::chrono::milliseconds linger{1'000};  ///< an unread body is discarded so long, so that the client reads a refusal
  /// HTTPS, TLS 1.2 or 1.3, instead of HTTP. All other limits hold for it too.
  std::optional<HttpTlsPair> tls{};
  /// Whether a request may go on; false: 401. Asked on the I/O thread when the header is read, before a route is looked
  /// for or a byte of the body is taken; must be quick. The default admits everyone.
  std::function<bool(const HttpRequest& head)> admit{};
  /// Makes the bodies of refusals; the default is plain text. `status` and `Connection: close` are enforced afterwards.
  std::function<HttpResponse(const HttpRefusalContext&)> refusal_response{};
  /// Called on the I/O thread just before an answer of whatever kind goes out, if its request's head was read: adds the
  /// headers that depend on the request alone. Must be quick.
  std::function<void(const HttpRequest& head, HttpResponse& response)> before_answer{};
  /// Called on the I/O thread after each answer; must be quick.
  std::function<void(const HttpExchange&)> observer{};
};

/// HTTP/1.1 server (RFC 9110, 9112) for untrusted clients. One I/O thread owns every connection; handlers run on a
/// pool. Strict: more than one Content-Length, Content-Length beside Transfer-Encoding, a Transfer-Encoding other than
/// exactly "chunked", bare LF, obsolete folding, missing or repeated Host are 400 and close. Limits are in Options.
class HttpServer {
 public:
  /// Binds and serves at once. kUnavailable: the address cannot be bound; kInvalidArgument: not an IP address, or a
  /// certificate that cannot be used.
  static Result<std::unique_ptr<HttpServer>> start(HttpServerOptions options, std::vector<HttpRoute> routes);

  /// Stops at once: connections are cut; running handlers are waited for.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const;
  /// Every answer from now on says `Connection: close`; everything is still served.
  void announce_drain();
  /// Stops accepting, closes idle connections, lets requests in flight finish; returns true when all did before
  /// `timeout` or `fast` (whatever is first), false when the rest was cut.
  bool drain(Duration timeout, std::stop_token fast = {});
  std::size_t connections() const;
  /// Connections from now on see this certificate, open ones go on. After a failure the former one stays:
  /// kInvalidArgument, or kUnsupported when the server does not speak TLS. Thread safe.
  Result<void> change_certificate(const HttpTlsPair& pair);

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// The reason phrase of RFC 9110, for example "Not Found".
const char* http_reason_phrase(int status) noexcept;

}  // namespace imageclassifier
