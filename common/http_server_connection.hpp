#pragma once

// Internal to common/http_server*.cpp: the only place that sees Boost.Asio.
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/http_framing.hpp"
#include "common/http_server.hpp"
#include "common/http_tls.hpp"

namespace imageclassifier {

class HttpConnection;

/// The way from any thread to the I/O thread; outlives the server in the hands of late responders.
struct HttpMailbox {
  std::mutex mutex;
  boost::asio::io_context* io = nullptr;  // null once the server has stopped

  void post(std::function<void()> function);
};

struct HttpResponder::State {
  std::shared_ptr<HttpMailbox> mailbox;
  std::weak_ptr<HttpConnection> connection;
  std::shared_ptr<std::atomic<bool>> client_gone;
  std::atomic<bool> answered{false};

  ~State();
  /// No value: the handler gave no answer.
  void deliver(std::optional<HttpResponse> response);
};

/// What the connections share. All members but the atomics belong to the I/O thread.
struct HttpServerCore {
  HttpServerCore(HttpServerOptions given, std::vector<HttpRoute> table)
      : options(std::move(given)),
        routes(std::move(table)),
        handlers(static_cast<std::size_t>(std::max(1, options.handler_threads))),
        mailbox(std::make_shared<HttpMailbox>()),
        scratch(64 * 1024) {}

  HttpServerOptions options;
  std::vector<HttpRoute> routes;
  std::shared_ptr<const HttpTlsContext> tls;  // null: plain HTTP
  boost::asio::io_context io{1};
  boost::asio::thread_pool handlers;
  std::shared_ptr<HttpMailbox> mailbox;
  std::vector<char> scratch;  // every read goes through here: waiting connections own no buffer
  std::unordered_map<HttpConnection*, std::shared_ptr<HttpConnection>> connections;
  std::size_t buffered_bytes = 0;  // of all bodies
  bool draining = false;
  std::atomic<bool> announce_close{false};
  std::atomic<std::size_t> connection_count{0};
  std::function<void()> on_connection_closed;

  /// Of those whose body is being read, the one that waits longest for its client; null: none is.
  std::shared_ptr<HttpConnection> slowest_upload() const;
  void add(const std::shared_ptr<HttpConnection>& connection);
  void remove(HttpConnection* connection);
};

/// One client. Reads are readiness waits followed by a non-blocking read, so that an idle or slow client costs no
/// buffer. Runs on the I/O thread only.
class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(boost::asio::ip::tcp::socket socket, HttpServerCore& core);

  void start();
  /// Waiting for a handshake, a request, or the rest of its header: may be evicted.
  bool is_waiting() const { return state_ == State::kHandshake || state_ == State::kIdle || state_ == State::kHeader; }
  SteadyTime waiting_since() const { return waiting_since_; }
  /// Was answered and is only there to be polite, does not take its answer, or asks on before it has it: may be evicted
  /// when nobody waits.
  bool is_over(SteadyTime now) const {
    return state_ == State::kLingering ||
           (state_ == State::kWriting && (now - writing_since_ > kWriteStalls || !input_.empty()));
  }
  /// Part of a body is held, and the rest is waited for.
  bool holds_upload() const { return state_ == State::kBody && buffered_ > 0; }
  /// A body does not come on: may be evicted when nobody waits or is over.
  bool stalls(SteadyTime now) const { return state_ == State::kBody && now - waiting_since_ > kReadStalls; }
  /// Ends a request whose body is being read, so that others find room: 429.
  void give_way();
  void on_drain();
  void close();
  /// The handler's answer; no value: it gave none.
  void answer(std::optional<HttpResponse> response);

 private:
  /// A client that reads takes an answer of some KB at once.
  static constexpr std::chrono::seconds kWriteStalls{1};
  static constexpr std::chrono::seconds kReadStalls{1};
  /// Who sends less at a time does not come on. As many bytes in each body_idle_timeout are the least rate (that of
  /// Apache's RequestReadTimeout is 500 bytes per second).
  static constexpr std::size_t kProgress = 4096;
  enum class State { kHandshake, kIdle, kHeader, kBody, kHandling, kWriting, kLingering, kClosed };

  void next_request();
  void wait_readable();
  void on_readable();
  void on_timeout();
  void arm(SteadyTime deadline);
  /// Reads once into the scratch buffer; no value: nothing now (would block). An empty view: the peer closed.
  std::optional<std::string_view> read_some();
  void watch_client();

  void take_header();
  /// No value: `head_` is filled.
  std::optional<FramingError> parse_header();
  void route_request();
  const HttpRoute* find_route();
  void prepare_body();
  void take_body();
  void wait_for_body(std::size_t arrived);
  void forget_body();
  void dispatch();

  void refuse(HttpRefusal reason, std::string message, std::size_t limit = 0);
  void write(HttpResponse response);
  void on_written(bool delivered);
  /// False: the socket does not take it all at once.
  bool write_now(std::string_view bytes);
  void linger();

  void start_tls();
  void shake_hands();
  bool speaks_plain_http();
  std::optional<std::string_view> read_tls();
  void watch_tls_client();
  void write_tls();
  void finish_write(bool delivered);
  bool write_tls_now(std::string_view bytes);

  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;
  HttpServerCore& core_;
  State state_ = State::kIdle;
  std::optional<HttpTls> tls_;
  bool hands_out_ = false;      // the handshake has begun
  bool wants_write_ = false;    // TLS must write before it can read on
  bool reading_ = false;        // a readiness wait is pending
  bool fresh_ = true;           // no request has been answered yet
  SteadyTime waiting_since_{};  // within a body: since its last kProgress bytes
  SteadyTime body_deadline_{};
  SteadyTime writing_since_{};

  std::string input_;  // received and not yet used
  HeaderScanner scanner_;
  HttpRequest head_;  // without body
  bool head_parsed_ = false;
  bool http11_ = true;
  bool keep_alive_ = true;
  bool unread_body_ = false;
  const HttpRoute* route_ = nullptr;
  std::string allow_;  // the methods of this path, when none fits
  BodyFraming framing_;
  std::optional<ChunkDecoder> chunks_;
  std::string body_;
  std::size_t buffered_ = 0;
  std::size_t since_progress_ = 0;  // bytes of the body
  std::shared_ptr<std::atomic<bool>> client_gone_;
  HttpResponse response_;
  std::string response_head_;
  std::string_view unsent_head_;
  std::string_view unsent_body_;
};

}  // namespace imageclassifier
