#include "tests/support/raw_client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <stdexcept>

namespace imageclassifier::test {

RawClient::RawClient(std::uint16_t port) : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  // NOLINTNEXTLINE: the sockets API takes the generic type.
  if (connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw std::runtime_error("cannot connect to the server under test");
  }
}

RawClient::~RawClient() {
  if (socket_ >= 0) ::close(socket_);
}

bool RawClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool RawClient::fill() {
  pollfd waiting{socket_, POLLIN, 0};
  if (poll(&waiting, 1, 10'000) != 1) throw std::runtime_error("the server under test sends nothing");
  char buffer[16 * 1024];
  const ssize_t received = recv(socket_, buffer, sizeof buffer, 0);
  if (received < 0) was_reset_ = errno == ECONNRESET;
  if (received <= 0) return false;
  rest_.append(buffer, static_cast<std::size_t>(received));
  return true;
}

std::string RawClient::read_response(bool head_only) {
  std::size_t end = 0;
  while ((end = rest_.find("\r\n\r\n")) == std::string::npos) {
    if (!fill()) return {};
  }
  std::size_t size = end + 4;
  static constexpr std::string_view kLength = "Content-Length: ";
  const auto length = rest_.find(kLength);
  if (!head_only && length < end) size += std::strtoul(rest_.c_str() + length + kLength.size(), nullptr, 10);
  while (rest_.size() < size) {
    if (!fill()) return {};
  }
  std::string response = rest_.substr(0, size);
  rest_.erase(0, size);
  return response;
}

std::string RawClient::read_to_end() {
  while (fill()) {
  }
  std::string all;
  all.swap(rest_);
  return was_reset_ ? all + "RESET" : all;
}

bool RawClient::closed_within(std::chrono::milliseconds time) {
  pollfd waiting{socket_, POLLIN, 0};
  char byte = 0;
  return poll(&waiting, 1, static_cast<int>(time.count())) == 1 && recv(socket_, &byte, 1, MSG_PEEK) <= 0;
}

bool RawClient::has_data() {
  pollfd waiting{socket_, POLLIN, 0};
  return !rest_.empty() || poll(&waiting, 1, 0) == 1;
}

void RawClient::half_close() {
  shutdown(socket_, SHUT_WR);
}

void RawClient::reset() {
  const linger hard{1, 0};
  setsockopt(socket_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  ::close(socket_);
  socket_ = -1;
}

int status_of(std::string_view response) {
  if (!response.starts_with("HTTP/1.1 ") || response.size() < 12) return 0;
  return std::atoi(std::string(response.substr(9, 3)).c_str());
}

std::string body_of(const std::string& response) {
  const auto end = response.find("\r\n\r\n");
  return end == std::string::npos ? std::string() : response.substr(end + 4);
}

}  // namespace imageclassifier::test
