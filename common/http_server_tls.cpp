// The parts of a connection that are there for TLS only.
#include <boost/asio/post.hpp>

#include "common/http_server_connection.hpp"

namespace imageclassifier {
namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using Outcome = HttpTls::Outcome;

void HttpConnection::start_tls() {
  state_ = State::kHandshake;
  tls_.emplace(*core_.tls, socket_.native_handle());
}

/// Somebody who typed http:// gets an answer in words; no TLS record begins with a letter.
bool HttpConnection::speaks_plain_http() {
  boost::system::error_code error;
  char first = 0;
  socket_.receive(asio::buffer(&first, 1), tcp::socket::message_peek, error);
  return !error && first >= 'A' && first <= 'Z';
}

void HttpConnection::shake_hands() {
  if (!hands_out_ && speaks_plain_http()) {
    tls_.reset();
    state_ = State::kIdle;
    return on_readable();
  }
  hands_out_ = true;
  switch (const Outcome outcome = tls_->handshake()) {
    case Outcome::kDone:
      state_ = State::kIdle;
      return wait_readable();
    case Outcome::kWantRead:
    case Outcome::kWantWrite:
      wants_write_ = outcome == Outcome::kWantWrite;
      return wait_readable();
    default:
      // Not cut: the client should read the alert that says why.
      return linger();
  }
}

std::optional<std::string_view> HttpConnection::read_tls() {
  std::size_t count = 0;
  const Outcome outcome = tls_->read(core_.scratch, count);
  wants_write_ = outcome == Outcome::kWantWrite;
  if (outcome == Outcome::kWantRead || outcome == Outcome::kWantWrite) return std::nullopt;
  return std::string_view(core_.scratch.data(), outcome == Outcome::kDone ? count : 0);
}

void HttpConnection::watch_tls_client() {
  const Outcome outcome = tls_->peek();
  wants_write_ = outcome == Outcome::kWantWrite;
  if (outcome == Outcome::kWantRead || outcome == Outcome::kWantWrite) return wait_readable();
  if (outcome == Outcome::kDone) return;
  client_gone_->store(true);
  if (outcome == Outcome::kFailed) close();
}

/// As long as the socket takes something; never calls on_written itself: pipelined requests must not pile up on the
/// stack.
void HttpConnection::write_tls() {
  for (std::string_view* part : {&unsent_head_, &unsent_body_}) {
    while (!part->empty()) {
      const Outcome outcome = tls_->write(*part);
      if (outcome == Outcome::kDone) continue;
      if (outcome != Outcome::kWantRead && outcome != Outcome::kWantWrite) return finish_write(false);
      socket_.async_wait(outcome == Outcome::kWantRead ? tcp::socket::wait_read : tcp::socket::wait_write,
                         [self = shared_from_this()](const boost::system::error_code& error) {
                           if (error || self->state_ == State::kClosed) return self->on_written(false);
                           self->write_tls();
                         });
      return;
    }
  }
  finish_write(true);
}

void HttpConnection::finish_write(bool delivered) {
  asio::post(core_.io, [self = shared_from_this(), delivered] { self->on_written(delivered); });
}

bool HttpConnection::write_tls_now(std::string_view bytes) {
  while (!bytes.empty()) {
    if (tls_->write(bytes) != Outcome::kDone) return false;
  }
  return true;
}

}  // namespace imageclassifier
