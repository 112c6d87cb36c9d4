#include "common/http_server_connection.hpp"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>

#include "common/path_template.hpp"

namespace imageclassifier {
namespace asio = boost::asio;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;

namespace {

SteadyTime now() {
  return SystemClock().steady_now();
}

bool is_known_method(std::string_view method) {
  static constexpr std::array<std::string_view, 9> kMethods = {"GET",   "HEAD",    "POST",    "PUT",  "DELETE",
                                                               "PATCH", "OPTIONS", "CONNECT", "TRACE"};
  return std::find(kMethods.begin(), kMethods.end(), method) != kMethods.end();
}

}  // namespace

HttpConnection::HttpConnection(tcp::socket socket, HttpServerCore& core)
    : socket_(std::move(socket)), timer_(core.io), core_(core), scanner_(core.options.max_header_bytes) {}

void HttpConnection::start() {
  boost::system::error_code ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(tcp::no_delay(true), ignored);
  head_.started = waiting_since_ = now();
  arm(waiting_since_ + core_.options.header_timeout);
  if (core_.tls) start_tls();
  wait_readable();
}

void HttpConnection::next_request() {
  state_ = State::kIdle;
  fresh_ = false;
  scanner_ = HeaderScanner(core_.options.max_header_bytes);
  head_ = HttpRequest{};
  head_parsed_ = false;
  unread_body_ = false;
  route_ = nullptr;
  allow_.clear();
  chunks_.reset();
  client_gone_.reset();
  waiting_since_ = now();
  arm(waiting_since_ + core_.options.keep_alive_timeout);
  if (input_.empty()) return wait_readable();
  take_header();  // pipelined
}

void HttpConnection::arm(SteadyTime deadline) {
  timer_.expires_at(deadline);
  timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (!error && now() >= self->timer_.expiry()) self->on_timeout();
  });
}

void HttpConnection::wait_readable() {
  if (reading_ || state_ == State::kClosed) return;
  reading_ = true;
  if (tls_ && state_ != State::kLingering && tls_->has_pending()) {
    return asio::post(core_.io, [self = shared_from_this()] {
      self->reading_ = false;
      self->on_readable();
    });
  }
  socket_.async_wait(wants_write_ ? tcp::socket::wait_write : tcp::socket::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       self->reading_ = false;
                       if (error) return self->close();
                       self->on_readable();
                     });
}

std::optional<std::string_view> HttpConnection::read_some() {
  // What is only thrown away need not be decrypted.
  if (tls_ && state_ != State::kLingering) return read_tls();
  boost::system::error_code error;
  const std::size_t count = socket_.read_some(asio::buffer(core_.scratch), error);
  if (error == asio::error::would_block || error == asio::error::try_again) return std::nullopt;
  return std::string_view(core_.scratch.data(), error ? 0 : count);
}

void HttpConnection::on_readable() {
  if (state_ == State::kClosed || state_ == State::kWriting) return;
  if (state_ == State::kHandling) return watch_client();
  if (state_ == State::kHandshake) return shake_hands();
  const auto bytes = read_some();
  if (!bytes) return wait_readable();
  if (bytes->empty()) return close();
  if (state_ == State::kLingering) return wait_readable();
  input_.append(*bytes);
  if (state_ == State::kBody) {
    take_body();
  } else {
    take_header();
  }
}

void HttpConnection::watch_client() {
  if (tls_) return watch_tls_client();
  boost::system::error_code error;
  char peeked = 0;
  socket_.receive(asio::buffer(&peeked, 1), tcp::socket::message_peek, error);
  if (error == asio::error::would_block || error == asio::error::try_again) return wait_readable();
  // A pipelined request: it stays in the socket until this one is answered.
  if (!error) return;
  // The end of the client's side. Some clients only half-close, so the answer is written if there is one.
  client_gone_->store(true);
  if (error != asio::error::eof) close();
}

void HttpConnection::on_timeout() {
  switch (state_) {
    case State::kHeader:
      return refuse(HttpRefusal::kRequestTimeout, "The request's header did not arrive in time.");
    case State::kBody:
      return refuse(HttpRefusal::kRequestTimeout, "The request's body did not arrive in time.");
    case State::kHandling:
      return;
    default:
      return close();
  }
}

void HttpConnection::take_header() {
  if (state_ == State::kIdle) {
    state_ = State::kHeader;
    if (!fresh_) {
      head_.started = now();
      arm(head_.started + core_.options.header_timeout);
    }
  }
  switch (scanner_.scan(input_)) {
    case HeaderScanner::State::kIncomplete:
      return wait_readable();
    case HeaderScanner::State::kTooLarge:
      return refuse(HttpRefusal::kHeaderTooLarge, "The request line and headers are larger than " +
                                                      std::to_string(core_.options.max_header_bytes) + " bytes.");
    case HeaderScanner::State::kMalformed:
      return refuse(HttpRefusal::kBadRequest, "The request line or headers are malformed.");
    case HeaderScanner::State::kComplete:
      break;
  }
  const auto failure = parse_header();
  input_.erase(0, scanner_.size());
  if (failure) return refuse(failure->reason, failure->message);
  route_request();
}

std::optional<FramingError> HttpConnection::parse_header() {
  http::request_parser<http::empty_body> parser;
  parser.header_limit(static_cast<std::uint32_t>(core_.options.max_header_bytes + 1));
  parser.skip(true);  // the body is ours: limits before reading, chunks counted
  boost::system::error_code error;
  parser.put(asio::buffer(input_.data(), scanner_.size()), error);
  if (error == http::error::bad_content_length || error == http::error::bad_transfer_encoding) {
    return FramingError{HttpRefusal::kBadFraming, "Content-Length or Transfer-Encoding is malformed or ambiguous."};
  }
  if (error) return FramingError{HttpRefusal::kBadRequest, "The request line or headers are malformed."};
  const auto& message = parser.get();
  const auto target = message.target();
  head_.method = std::string(message.method_string());
  set_target(head_, std::string_view(target.data(), target.size()));
  for (const auto& field : message) {
    head_.headers.push_back({std::string(field.name_string()), std::string(field.value())});
  }
  http11_ = message.version() == 11;
  keep_alive_ = message.keep_alive();
  head_parsed_ = true;
  return std::nullopt;
}

void HttpConnection::route_request() {
  if (core_.tls && !tls_) return refuse(HttpRefusal::kBadRequest, "This address is served over HTTPS only.");
  const auto framing = body_framing(head_, http11_);
  if (!framing) return refuse(framing.error().reason, framing.error().message);
  framing_ = *framing;
  unread_body_ = framing_.chunked || framing_.length > 0;
  const auto hosts = std::count_if(head_.headers.begin(), head_.headers.end(),
                                   [](const HttpHeader& header) { return equals_ignoring_case(header.name, "host"); });
  if (hosts > 1 || (hosts == 0 && http11_)) {
    return refuse(HttpRefusal::kBadRequest, "The request must have exactly one Host header.");
  }
  if (!is_known_method(head_.method)) {
    return refuse(HttpRefusal::kMethodNotImplemented, "This request method is not known here.");
  }
  route_ = find_route();
  if (core_.options.admit && !core_.options.admit(head_)) {
    return refuse(HttpRefusal::kUnauthorized, "A user name and a password are needed here.");
  }
  if (route_ == nullptr) {
    if (allow_.empty()) return refuse(HttpRefusal::kNotFound, "There is nothing at this address.");
    return refuse(HttpRefusal::kMethodNotAllowed, "This address answers only to " + allow_ + ".");
  }
  prepare_body();
}

const HttpRoute* HttpConnection::find_route() {
  for (const HttpRoute& route : core_.routes) {
    auto parameters = match_path(route.path, head_.path);
    if (!parameters) continue;
    if (route.method == head_.method || (route.method == "GET" && head_.method == "HEAD")) {
      head_.parameters = std::move(*parameters);
      return &route;
    }
    const std::string allowed = route.method == "GET" ? "GET, HEAD" : route.method;
    if (allow_.find(allowed) != std::string::npos) continue;
    if (!allow_.empty()) allow_ += ", ";
    allow_ += allowed;
  }
  return nullptr;
}

void HttpConnection::prepare_body() {
  const std::string_view expect = head_.header("expect");
  if (!expect.empty() && !equals_ignoring_case(expect, "100-continue")) {
    return refuse(HttpRefusal::kExpectationFailed, "The only expectation that is met is \"100-continue\".");
  }
  if (!framing_.chunked && framing_.length > route_->body_limit) {
    return refuse(HttpRefusal::kBodyTooLarge, "The request's body is too large.", route_->body_limit);
  }
  if (framing_.chunked) chunks_.emplace(core_.options.max_chunks, route_->body_limit);
  if (!unread_body_) return dispatch();
  if (!expect.empty() && http11_ && input_.empty()) {
    // Nothing else is being written, so these few bytes fit into the socket's buffer.
    if (!write_now("HTTP/1.1 100 Continue\r\n\r\n")) return close();
  }
  state_ = State::kBody;
  waiting_since_ = now();
  since_progress_ = 0;
  body_deadline_ = waiting_since_ + core_.options.body_timeout;
  take_body();
}

bool HttpConnection::write_now(std::string_view bytes) {
  if (tls_) return write_tls_now(bytes);
  boost::system::error_code error;
  asio::write(socket_, asio::buffer(bytes.data(), bytes.size()), error);
  return !error;
}

void HttpConnection::forget_body() {
  core_.buffered_bytes -= buffered_;
  buffered_ = 0;
  body_ = std::string();
}

void HttpConnection::give_way() {
  forget_body();
  refuse(HttpRefusal::kOverloaded, "Too many uploads at once; try again shortly.");
}

void HttpConnection::take_body() {
  std::string_view rest = input_;
  const std::size_t before = body_.size();
  auto outcome = ChunkDecoder::State::kMore;
  if (framing_.chunked) {
    outcome = chunks_->feed(rest, body_);
  } else {
    const std::size_t count = std::min<std::uint64_t>(framing_.length - body_.size(), rest.size());
    if (body_.empty() && count > 0) body_.reserve(framing_.length);
    body_.append(rest.substr(0, count));
    rest.remove_prefix(count);
    if (body_.size() == framing_.length) outcome = ChunkDecoder::State::kDone;
  }
  input_.erase(0, input_.size() - rest.size());
  const std::size_t arrived = body_.size() - before;
  buffered_ += arrived;
  core_.buffered_bytes += arrived;
  switch (outcome) {
    case ChunkDecoder::State::kDone:
      unread_body_ = false;
      return dispatch();
    case ChunkDecoder::State::kTooLarge:
      return refuse(HttpRefusal::kBodyTooLarge, "The request's body is too large.", route_->body_limit);
    case ChunkDecoder::State::kMalformed:
      return refuse(HttpRefusal::kBadChunk, "The chunked body is malformed.");
    case ChunkDecoder::State::kTooManyChunks:
      return refuse(HttpRefusal::kBadChunk, "The body has too many chunks.");
    case ChunkDecoder::State::kMore:
      return wait_for_body(arrived);
  }
}

void HttpConnection::wait_for_body(std::size_t arrived) {
  since_progress_ += arrived;
  if (since_progress_ >= kProgress) {
    waiting_since_ = now();
    since_progress_ = 0;
  }
  while (core_.buffered_bytes > core_.options.max_buffered_bytes) {
    const auto slowest = core_.slowest_upload();
    if (!slowest || slowest.get() == this) return give_way();
    slowest->give_way();
  }
  arm(std::min<SteadyTime>(waiting_since_ + core_.options.body_idle_timeout, body_deadline_));
  wait_readable();
}

void HttpConnection::dispatch() {
  state_ = State::kHandling;
  timer_.cancel();
  HttpRequest request = head_;
  request.body = std::move(body_);
  body_.clear();
  request.received = now();
  client_gone_ = std::make_shared<std::atomic<bool>>(false);
  auto answer = std::make_shared<HttpResponder::State>();
  answer->mailbox = core_.mailbox;
  answer->connection = weak_from_this();
  answer->client_gone = client_gone_;
  auto run = [route = route_, request = std::move(request), answer = std::move(answer)]() mutable {
    const HttpResponder responder(std::move(answer));
    try {
      route->handler(std::move(request), responder);
    } catch (const std::exception&) {
      // The handler's copies may live on elsewhere; this answer comes first and counts.
      responder.fail();
    }
  };
  if (route_->quick) {
    run();
  } else {
    asio::post(core_.handlers, std::move(run));
  }
  if (input_.empty()) wait_readable();
}

void HttpConnection::answer(std::optional<HttpResponse> response) {
  if (state_ != State::kHandling) return;
  if (!response) return refuse(HttpRefusal::kInternal, "The server could not answer this request.");
  write(std::move(*response));
}

void HttpConnection::refuse(HttpRefusal reason, std::string message, std::size_t limit) {
  const HttpRefusalContext context{reason, http_refusal_status(reason), std::move(message), limit,
                                   head_parsed_ ? &head_ : nullptr};
  HttpResponse response;
  if (core_.options.refusal_response) {
    response = core_.options.refusal_response(context);
  } else {
    response.body = context.message + "\n";
  }
  response.status = context.status;
  if (reason == HttpRefusal::kMethodNotAllowed) response.headers.push_back({"Allow", allow_});
  // What follows an unread body or a malformed header cannot be told from a request.
  const bool in_step = head_parsed_ && !unread_body_ &&
                       (reason == HttpRefusal::kNotFound || reason == HttpRefusal::kMethodNotAllowed ||
                        reason == HttpRefusal::kUnauthorized || reason == HttpRefusal::kInternal);
  if (!in_step) response.close = true;
  write(std::move(response));
}

void HttpConnection::write(HttpResponse response) {
  state_ = State::kWriting;
  response_ = std::move(response);
  if (head_parsed_ && core_.options.before_answer) core_.options.before_answer(head_, response_);
  keep_alive_ = keep_alive_ && !response_.close && !core_.draining && !core_.announce_close;
  response_head_ = serialize_response_head(response_, http11_, keep_alive_, SystemClock().wall_now());
  const bool head_only = head_.method == "HEAD";
  writing_since_ = now();
  arm(writing_since_ + core_.options.write_timeout);
  if (tls_) {
    unsent_head_ = response_head_;
    unsent_body_ = head_only ? std::string_view() : response_.body;
    return write_tls();
  }
  const std::array<asio::const_buffer, 2> buffers = {asio::buffer(response_head_),
                                                     head_only ? asio::const_buffer() : asio::buffer(response_.body)};
  asio::async_write(socket_, buffers, [self = shared_from_this()](const boost::system::error_code& error, std::size_t) {
    self->on_written(!error);
  });
}

void HttpConnection::on_written(bool delivered) {
  forget_body();
  if (core_.options.observer) {
    core_.options.observer({route_ != nullptr ? route_->path : "other", head_parsed_ ? &head_ : nullptr, &response_,
                            now() - head_.started, !delivered});
  }
  response_ = HttpResponse{};
  if (state_ == State::kClosed) return;
  if (!delivered) return close();
  if (!keep_alive_ || core_.draining) return linger();
  next_request();
}

void HttpConnection::linger() {
  state_ = State::kLingering;
  input_ = std::string();
  wants_write_ = false;
  if (tls_) tls_->close_notify();
  boost::system::error_code error;
  socket_.shutdown(tcp::socket::shutdown_send, error);
  if (error) return close();
  arm(now() + core_.options.linger);
  wait_readable();
}

void HttpConnection::on_drain() {
  if (state_ != State::kIdle && state_ != State::kHandshake) return;
  // A connection that was opened a moment ago may have its first request under way; a kept one gets the end of stream,
  // after which the client knows that a request it was just sending was not looked at.
  if (fresh_) return arm(std::min<SteadyTime>(timer_.expiry(), now() + core_.options.linger));
  linger();
}

void HttpConnection::close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  if (client_gone_) client_gone_->store(true);
  forget_body();
  boost::system::error_code ignored;
  timer_.cancel();
  socket_.close(ignored);
  core_.remove(this);
}

}  // namespace imageclassifier
