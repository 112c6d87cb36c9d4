#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace imageclassifier::test {

/// A TCP client that sends exactly the bytes it is given, for tests of an HTTP server on 127.0.0.1. Blocking, every
/// read ends after 10 s at the latest. Not thread safe.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port);
  ~RawClient();
  RawClient(RawClient&& other) noexcept : socket_(other.socket_), rest_(std::move(other.rest_)) { other.socket_ = -1; }
  RawClient(const RawClient&) = delete;

  /// False when the peer has closed.
  bool send(std::string_view bytes);
  /// One answer by its Content-Length (a 100 Continue is an answer of its own); empty when the peer closed first.
  std::string read_response(bool head_only = false);
  /// Everything until the peer closes; "RESET" is appended when it did so with a reset.
  std::string read_to_end();
  /// The peer closes its side within the time.
  bool closed_within(std::chrono::milliseconds time);
  /// Something can be read without waiting.
  bool has_data();
  void half_close();
  void reset();

 private:
  bool fill();
  int socket_ = -1;
  std::string rest_;
  bool was_reset_ = false;
};

/// "HTTP/1.1 404 Not Found..." -> 404; 0 for anything else.
int status_of(std::string_view response);
/// What follows the empty line.
std::string body_of(const std::string& response);

}  // namespace imageclassifier::test
