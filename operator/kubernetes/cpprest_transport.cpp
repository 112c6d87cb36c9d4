#include "operator/kubernetes/cpprest_transport.hpp"

#include <cpprest/astreambuf.h>
#include <cpprest/http_client.h>
#include <cpprest/producerconsumerstream.h>
#include <cpprest/streams.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pplx/threadpool.h>

#include <algorithm>
#include <boost/asio/ssl.hpp>
#include <cstdlib>
#include <deque>
#include <functional>
#include <iterator>
#include <utility>
#include <vector>

#include "common/guarded.hpp"
#include "operator/kubernetes/line_splitter.hpp"
#include "operator/kubernetes/received_meter.hpp"
#include "operator/kubernetes/request_slots.hpp"
#include "operator/kubernetes/transport_ends.hpp"

// Row numbers in comments: docs/designs/20261125-cpprestsdk.md, the table of this library's limits.
namespace imageclassifier::kubernetes {
namespace {

using std::chrono::seconds;

// What one thread may have waiting for it before the connection is no longer read (row 18).
constexpr std::size_t kMaximumBacklog = 256U << 10U;
// What a connection may receive before the head of an answer is read (row 24).
constexpr std::size_t kMaximumHead = 512U << 10U;
// The library's own inactivity timer is only a second line behind ours.
constexpr auto kLibraryTimeout = seconds(600);
constexpr auto kShutdownPatience = seconds(5);
constexpr auto kPoolPatience = std::chrono::milliseconds(20);

// ---- the body, piece by piece ----

// A write-only cpprestsdk stream buffer that gives each piece of a body to a function. The next piece is not read from
// the connection before the function's task is done; that is the back-pressure which the library's own buffer lacks.
class ByteSink final : public concurrency::streams::details::streambuf_state_manager<uint8_t> {
 public:
  using Put = std::function<pplx::task<std::size_t>(const char* data, std::size_t count)>;

  explicit ByteSink(Put put) : streambuf_state_manager<uint8_t>(std::ios_base::out), put_(std::move(put)) {}

  bool can_seek() const override { return false; }
  bool has_size() const override { return false; }
  std::size_t buffer_size(std::ios_base::openmode) const override { return 0; }
  void set_buffer_size(std::size_t, std::ios_base::openmode) override {}
  std::size_t in_avail() const override { return 0; }
  pos_type getpos(std::ios_base::openmode) const override { return eof_position(); }
  pos_type seekpos(pos_type, std::ios_base::openmode) override { return eof_position(); }
  pos_type seekoff(off_type, std::ios_base::seekdir, std::ios_base::openmode) override { return eof_position(); }
  bool acquire(uint8_t*& pointer, std::size_t& count) override {
    pointer = nullptr;
    count = 0;
    return false;
  }
  void release(uint8_t*, std::size_t) override {}

 protected:
  pplx::task<int_type> _putc(uint8_t byte) override {
    return put_(reinterpret_cast<const char*>(&byte), 1).then([byte](std::size_t) { return int_type(byte); });
  }
  pplx::task<std::size_t> _putn(const uint8_t* data, std::size_t count) override {
    return put_(reinterpret_cast<const char*>(data), count);
  }
  pplx::task<bool> _sync() override { return pplx::task_from_result(true); }
  uint8_t* _alloc(std::size_t) override { return nullptr; }
  void _commit(std::size_t) override {}

  pplx::task<int_type> _bumpc() override { return nothing(); }
  int_type _sbumpc() override { return traits::eof(); }
  pplx::task<int_type> _getc() override { return nothing(); }
  int_type _sgetc() override { return traits::eof(); }
  pplx::task<int_type> _nextc() override { return nothing(); }
  pplx::task<int_type> _ungetc() override { return nothing(); }
  pplx::task<std::size_t> _getn(uint8_t*, std::size_t) override { return pplx::task_from_result<std::size_t>(0); }
  std::size_t _scopy(uint8_t*, std::size_t) override { return 0; }

 private:
  static pos_type eof_position() { return static_cast<pos_type>(traits::eof()); }
  static pplx::task<int_type> nothing() { return pplx::task_from_result<int_type>(traits::eof()); }

  Put put_;
};

concurrency::streams::ostream make_byte_sink(ByteSink::Put put) {
  const auto sink = std::make_shared<ByteSink>(std::move(put));
  return concurrency::streams::streambuf<uint8_t>(sink).create_ostream();
}

// A body that cannot be read twice: what the library cannot rewind it does not repeat (row 4).
concurrency::streams::istream read_once(const std::string& body) {
  concurrency::streams::producer_consumer_buffer<uint8_t> buffer(std::max<std::size_t>(body.size(), 1));
  buffer.putn_nocopy(reinterpret_cast<const uint8_t*>(body.data()), body.size()).get();  // done when it returns
  buffer.close(std::ios_base::out).get();
  return buffer.create_istream();
}

// ---- one request on its way ----

// Counts exchanges that the library still works on, so that nothing outlives the transport.
class InFlight {
 public:
  void enter() {
    std::lock_guard hold(mutex_);
    ++count_;
  }
  void leave() {
    std::lock_guard hold(mutex_);
    --count_;
    changed_.notify_all();
  }
  void wait_until_none(Clock& clock, Duration patience) {
    std::unique_lock lock(mutex_);
    clock.wait_until(changed_, lock, {}, clock.steady_now() + patience, [this] { return count_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  int count_ = 0;
};

struct Head {
  int status = 0;
  std::vector<Header> headers;
};

// Shared by the calling thread and the library's threads.
struct Exchange {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::optional<Head> head;
  std::deque<std::string> pieces;
  std::size_t backlog = 0;
  bool blocked = false;  // the library waits until the backlog is worked off
  pplx::task_completion_event<std::size_t> unblock;
  std::size_t blocked_count = 0;
  bool abandoned = false;
  bool overrun = false;  // the library holds back more than it may
  bool finished = false;
  std::optional<Error> error;
  bool let_go = false;  // the library holds nothing of it any more, and the connection is back in the pool
  pplx::cancellation_token_source cancel;

  pplx::task<std::size_t> put(const char* data, std::size_t count) {
    std::lock_guard hold(mutex);
    if (abandoned) return pplx::task_from_result(count);
    pieces.emplace_back(data, count);
    backlog += count;
    changed.notify_all();
    if (backlog < kMaximumBacklog) return pplx::task_from_result(count);
    blocked = true;
    blocked_count = count;
    unblock = pplx::task_completion_event<std::size_t>();
    return pplx::create_task(unblock);
  }

  void release() {
    if (!blocked) return;
    blocked = false;
    unblock.set(blocked_count);
  }

  void overflow() {
    {
      std::lock_guard hold(mutex);
      overrun = true;
    }
    abandon();
  }

  void abandon() {
    {
      std::lock_guard hold(mutex);
      if (finished) return;
      abandoned = true;
      pieces.clear();
      release();
    }
    // The library closes the socket at once, on the thread that cancels: under the feet of a TLS read that another one
    // is about to start (row 23). On its only thread nothing else is under way.
    crossplat::threadpool::shared_instance().service().post([cancel = cancel] { cancel.cancel(); });
  }
};

// Held by the library for as long as it holds the request.
class Grip {
 public:
  Grip(std::shared_ptr<Exchange> exchange, std::shared_ptr<ReceivedMeter> meter)
      : exchange_(std::move(exchange)), meter_(std::move(meter)) {}
  ~Grip() {
    std::lock_guard hold(exchange_->mutex);
    exchange_->let_go = true;
    exchange_->changed.notify_all();
  }
  Grip(const Grip&) = delete;
  pplx::task<std::size_t> put(const char* data, std::size_t count) const {
    meter_->handed_on();
    return exchange_->put(data, count);
  }

 private:
  const std::shared_ptr<Exchange> exchange_;
  const std::shared_ptr<ReceivedMeter> meter_;
};

// Classified by number only: the texts are not stable (row 22), refused connections come as EHOSTUNREACH (row 11).
Error classify(int code) {
  if (code == static_cast<int>(std::errc::timed_out)) {
    return Error(ErrorCode::kDeadlineExceeded, "the API server did not answer in time");
  }
  if (code == static_cast<int>(std::errc::operation_canceled)) return Error(ErrorCode::kCancelled, "cancelled");
  const auto packed = static_cast<unsigned long>(static_cast<unsigned int>(code));
  if (ERR_GET_LIB(packed) == ERR_LIB_SSL && ERR_GET_REASON(packed) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    return Error(ErrorCode::kUnauthenticated, "the API server's certificate is not trusted or has another name");
  }
  if (code == boost::asio::error::host_not_found || code == boost::asio::error::host_not_found_try_again) {
    return Error(ErrorCode::kUnavailable, "the API server's name could not be resolved");
  }
  if (code == static_cast<int>(std::errc::host_unreachable) ||
      code == static_cast<int>(std::errc::connection_refused)) {
    return Error(ErrorCode::kUnavailable, "the API server refuses connections, or there is no way to it");
  }
  return Error(ErrorCode::kUnavailable,
               "the connection to the API server failed or was lost (code " + std::to_string(code) + ")");
}

Error classify(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const web::http::http_exception& error) {
    return classify(error.error_code().value());
  } catch (const std::system_error& error) {
    return classify(error.code().value());
  } catch (const pplx::task_canceled&) {
    return Error(ErrorCode::kCancelled, "cancelled");
  } catch (const std::exception&) {
    return Error(ErrorCode::kUnavailable, "the API server's answer could not be read as HTTP");
  }
}

Head read_head(const web::http::http_response& response) {
  Head head;
  head.status = response.status_code();
  for (const auto& [name, value] : response.headers()) head.headers.push_back({name, value});
  return head;
}

// ---- the transport ----

class CpprestTransport final : public Transport {
 public:
  CpprestTransport(const ClientConfig& config, const TransportOptions& options,
                   std::shared_ptr<TlsIdentitySource> identity, Clock& clock)
      : server_(config.server),
        proxy_(config.proxy.url),
        server_name_(config.tls.server_name),
        verify_(!config.tls.insecure_skip_verify),
        identity_(std::move(identity)),
        options_(options),
        clock_(clock),
        slots_(options.maximum_requests) {}

  ~CpprestTransport() override { in_flight_->wait_until_none(clock_, kShutdownPatience); }

  Result<Response> send(const Request& request, SteadyTime deadline, std::stop_token stop) override {
    const auto slot = slots_.acquire(clock_, deadline, stop);
    if (!slot || clock_.steady_now() >= deadline) return too_late(stop);
    Pooled pooled = take_client(request.method == Method::kPost);  // row 4
    const auto exchange = start(request, pooled.connection, options_.maximum_body);
    Response response;
    response.share = std::make_shared<ReceiveBudget::Share>(receive_budget());
    while (true) {
      std::unique_lock lock(exchange->mutex);
      const bool ready = clock_.wait_until(exchange->changed, lock, stop, deadline,
                                           [&] { return exchange->finished || !exchange->pieces.empty(); });
      if (!ready) {
        lock.unlock();
        exchange->abandon();
        return too_late(stop);
      }
      if (!append_pieces(*exchange, response)) {
        lock.unlock();
        exchange->abandon();
        return body_too_large(options_.maximum_body);
      }
      if (!exchange->finished) continue;
      if (exchange->error) {
        // The library puts the connection with which it wanted to repeat a request into its pool, unconnected (row 4).
        // Those that stood beside it are likely to be as dead.
        pool_.lock()->clear();
        return fail(*exchange->error);
      }
      // The answer proper is still on its way: it would be taken for that to the connection's next request (row 25).
      if (exchange->head->status < 200) return interim_answer(exchange->head->status);
      // Else the next request would open a connection while this one is on its way back into the client.
      if (clock_.wait_until(exchange->changed, lock, stop, clock_.steady_now() + kPoolPatience,
                            [&] { return exchange->let_go; })) {
        pool_.lock()->push_back(std::move(pooled));
      }
      response.status = exchange->head->status;
      response.headers = std::move(exchange->head->headers);
      return response;
    }
  }

  Result<StreamEnd> stream(const Request& request, LineSink& sink, Duration idle_timeout,
                           std::stop_token stop) override {
    const auto exchange = start(request, connect(), options_.maximum_line);
    LineSplitter splitter(options_.maximum_line);
    StreamEnd end;
    SteadyTime last_byte = clock_.steady_now();
    bool finished = false;
    while (!finished) {
      std::deque<std::string> pieces;
      {
        std::unique_lock lock(exchange->mutex);
        const bool ready = clock_.wait_until(exchange->changed, lock, stop, last_byte + idle_timeout, [&] {
          // Pieces of the body may be there before the head is handed over.
          return exchange->finished || (exchange->head && (!exchange->pieces.empty() || end.status == 0));
        });
        if (ready) {
          if (exchange->head && end.status == 0) {
            end.status = exchange->head->status;
            end.headers = exchange->head->headers;
          }
          pieces.swap(exchange->pieces);
          exchange->backlog = 0;
          exchange->release();
          finished = exchange->finished;
        }
      }
      if (stop.stop_requested()) return abandon(*exchange, ErrorCode::kCancelled, "stopped");
      if (!finished && pieces.empty() && end.status == 0 && clock_.steady_now() - last_byte < idle_timeout) continue;
      if (!finished && pieces.empty() && clock_.steady_now() - last_byte >= idle_timeout) {
        if (end.status == 0)
          return abandon(*exchange, ErrorCode::kDeadlineExceeded, "the watch was not answered in time");
        return ended(*exchange, std::move(end), StreamEnd::Cause::kIdleTimeout);
      }
      last_byte = clock_.steady_now();
      if (end.status != 0 && end.status < 200) {
        exchange->abandon();
        return interim_answer(end.status);
      }
      if (end.status == 200 && !is_chunked(end)) {
        // Row 12: lines would arrive in lumps of 64 KiB.
        return abandon(*exchange, ErrorCode::kUnsupported, "the watch is not sent in chunks");
      }
      for (const std::string& piece : pieces) {
        if (end.status >= 400) {
          if (!append_refusal(end.body, piece))
            return ended(*exchange, std::move(end), StreamEnd::Cause::kRefusedByServer);
          continue;
        }
        if (const auto cause = to_cause(feed(splitter, piece, sink, *exchange)))
          return ended(*exchange, std::move(end), *cause);
        if (stop.stop_requested()) return abandon(*exchange, ErrorCode::kCancelled, "stopped");
      }
    }
    return finish_stream(*exchange, std::move(end), splitter, sink);
  }

 private:
  using Client = web::http::client::http_client;

  // A client carries one request at a time, so that it has one connection.
  struct Connection {
    std::shared_ptr<Client> client;
    std::shared_ptr<ReceivedMeter> meter;
  };
  struct Pooled {
    Connection connection;
    SteadyTime made_at{};
    std::uint64_t generation = 0;
  };

  static bool is_chunked(const StreamEnd& end) {
    const auto encoding = find_header(end.headers, "Transfer-Encoding");
    return encoding && encoding->find("chunked") != std::string_view::npos;
  }

  static tl::unexpected<Error> interim_answer(int status) {
    return fail(ErrorCode::kUnavailable,
                "the API server, or a proxy before it, sent HTTP " + std::to_string(status) +
                    " ahead of its answer, which cpprestsdk cannot read; use --transport=curl");
  }

  static tl::unexpected<Error> abandon(Exchange& exchange, ErrorCode code, const char* message) {
    exchange.abandon();
    return fail(code, message);
  }

  // An exception of the sink is the caller's.
  static LineSplitter::Verdict feed(LineSplitter& splitter, const std::string& piece, LineSink& sink,
                                    Exchange& exchange) {
    try {
      return splitter.feed(piece, sink);
    } catch (...) {
      exchange.abandon();
      throw;
    }
  }

  static StreamEnd ended(Exchange& exchange, StreamEnd end, StreamEnd::Cause cause) {
    exchange.abandon();
    end.cause = cause;
    return end;
  }

  // The library is done with the exchange; nothing is shared any more.
  static Result<StreamEnd> finish_stream(Exchange& exchange, StreamEnd end, LineSplitter& splitter, LineSink& sink) {
    if (end.status == 0) return fail(exchange.error.value_or(Error(ErrorCode::kUnavailable, "no answer")));
    if (end.status >= 400) {
      end.cause = StreamEnd::Cause::kRefusedByServer;
    } else if (exchange.error) {
      const bool too_large = exchange.error->code == ErrorCode::kTooLarge;
      end.cause = too_large ? StreamEnd::Cause::kLineTooLong : StreamEnd::Cause::kBroken;
    } else {
      end.cause = to_cause(splitter.finish(sink)).value_or(StreamEnd::Cause::kEndOfStream);
    }
    return end;
  }

  // False: they would make the body too large.
  bool append_pieces(Exchange& exchange, Response& response) const {
    for (const std::string& piece : exchange.pieces) {
      const bool affordable = response.share->grow(piece.size());
      if (!affordable || response.body.size() + piece.size() > options_.maximum_body) return false;
      response.body += piece;
    }
    exchange.pieces.clear();
    exchange.backlog = 0;
    exchange.release();
    return true;
  }

  Connection connect() const {
    const auto meter = std::make_shared<ReceivedMeter>();
    web::http::client::http_client_config config;
    config.set_timeout(kLibraryTimeout);
    config.set_max_redirects(0);  // row 6
    config.set_validate_certificates(verify_);
    if (!proxy_.empty()) config.set_proxy(web::web_proxy(web::uri(proxy_)));
    config.set_ssl_context_callback([identity = identity_, meter](boost::asio::ssl::context& context) {
      // The library has just loaded the system's CAs into the context (row 14); only ours stay.
      const bool applied = identity->current().identity.apply(context.native_handle());
      if (!applied || !ReceivedMeter::attach(context.native_handle(), meter))
        throw std::runtime_error("TLS identity refused");
    });
    return {std::make_shared<Client>(server_, config), meter};
  }

  // The one used last, so that those which are not needed grow old. `fresh`: a new one in its place.
  Pooled take_client(bool fresh) {
    const std::uint64_t generation = identity_->current().generation;
    const SteadyTime now = clock_.steady_now();
    std::vector<Pooled> over;  // closed after the lock is released
    {
      auto pool = pool_.lock();
      const auto first_stale = std::stable_partition(pool->begin(), pool->end(), [&](const Pooled& each) {
        return each.generation == generation && now - each.made_at < options_.maximum_connection_age;
      });
      std::move(first_stale, pool->end(), std::back_inserter(over));
      pool->erase(first_stale, pool->end());
      if (!pool->empty()) {
        over.push_back(std::move(pool->back()));
        pool->pop_back();
        if (!fresh) return std::move(over.back());
      }
    }
    return {connect(), now, generation};
  }

  web::http::http_request to_library(const Request& request, std::shared_ptr<Grip> grip) const {
    web::http::http_request made(to_string(request.method));
    made.set_request_uri(web::uri(request.target));
    std::string content_type;
    for (const Header& header : request.headers) {
      if (header.name == "Content-Type") content_type = header.value;
      made.headers().add(header.name, header.value);
    }
    if (!server_name_.empty()) made.headers().add("Host", server_name_);  // row 15
    if (!is_read(request.method)) made.set_body(read_once(request.body), request.body.size(), content_type);
    made.set_response_stream(make_byte_sink(
        [grip = std::move(grip)](const char* data, std::size_t count) { return grip->put(data, count); }));
    return made;
  }

  // Never throws; whatever happens ends up in the exchange. `maximum_piece`: of the body, at once.
  std::shared_ptr<Exchange> start(const Request& request, const Connection& connection, std::size_t maximum_piece) {
    const auto exchange = std::make_shared<Exchange>();
    in_flight_->enter();
    const auto finish = [exchange, in_flight = in_flight_, connection, maximum_piece](std::optional<Error> error) {
      {
        std::lock_guard hold(exchange->mutex);
        if (exchange->overrun) {
          error = exchange->head ? body_too_large(maximum_piece).value() : head_too_large(kMaximumHead).value();
        }
        exchange->error = std::move(error);
        exchange->finished = true;
        exchange->changed.notify_all();
      }
      in_flight->leave();
    };
    connection.meter->start(kMaximumHead, [weak = std::weak_ptr(exchange)] {
      if (const auto late = weak.lock()) late->overflow();
    });
    try {
      connection.client
          ->request(to_library(request, std::make_shared<Grip>(exchange, connection.meter)),
                    exchange->cancel.get_token())
          .then([exchange, meter = connection.meter, maximum_piece](const web::http::http_response& response) {
            // An eighth for TLS records and the frames of chunks.
            meter->set_limit(kMaximumHead + maximum_piece + maximum_piece / 8);
            {
              std::lock_guard hold(exchange->mutex);
              exchange->head = read_head(response);
              exchange->changed.notify_all();
            }
            return response.content_ready();
          })
          .then([finish](const pplx::task<web::http::http_response>& done) {  // observes the chain (row 9)
            try {
              done.get();
              finish(std::nullopt);
            } catch (...) {
              finish(classify(std::current_exception()));
            }
          });
    } catch (...) {
      finish(classify(std::current_exception()));
    }
    return exchange;
  }

  const std::string server_;
  const std::string proxy_;
  const std::string server_name_;
  const bool verify_;
  const std::shared_ptr<TlsIdentitySource> identity_;
  const TransportOptions options_;
  Clock& clock_;
  RequestSlots slots_;
  const std::shared_ptr<InFlight> in_flight_ = std::make_shared<InFlight>();
  Guarded<std::vector<Pooled>> pool_;
};

}  // namespace

void initialize_cpprest_process() {
  // The library's threads outlive OpenSSL's own cleanup at exit, after which they would use what is gone (row 21).
  OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, nullptr);
  setenv("SSL_CERT_FILE", "/dev/null", 1);
  setenv("SSL_CERT_DIR", "/dev/null", 1);
  crossplat::threadpool::initialize_with_threads(1);  // rows 8, 23
}

Result<std::unique_ptr<Transport>> make_cpprest_transport(const ClientConfig& config, const TransportOptions& options,
                                                          std::shared_ptr<TlsIdentitySource> identity, Clock& clock) {
  if (config.server.find("://[") != std::string::npos) {  // row 7
    return fail(ErrorCode::kUnsupported, "the API server's address " + host_of(config.server) +
                                             " is an IPv6 literal, which cpprestsdk cannot resolve; use "
                                             "--transport=curl, or a DNS name such as kubernetes.default.svc");
  }
  const ProxyConfig& proxy = config.proxy;
  if (!proxy.url.empty() && (proxy.url.rfind("http://", 0) != 0 || !proxy.user.empty())) {  // rows 16, 19
    return fail(ErrorCode::kUnsupported,
                "the proxy " + proxy.url + (proxy.user.empty() ? "" : " with a user") +
                    " is of a kind that cpprestsdk cannot use; use --transport=curl, or an http:// proxy without user");
  }
  try {
    const web::uri parsed(config.server);
    const bool known = parsed.scheme() == "https" || parsed.scheme() == "http";
    if (!known || parsed.host().empty() || parsed.port() > 65535 || !parsed.query().empty() ||
        !parsed.fragment().empty()) {
      return no_server_url(config.server);
    }
  } catch (const std::exception&) {
    return no_server_url(config.server);
  }
  return std::make_unique<CpprestTransport>(config, options, std::move(identity), clock);
}

}  // namespace imageclassifier::kubernetes
