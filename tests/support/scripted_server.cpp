#include "tests/support/scripted_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <list>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

namespace imageclassifier::testing {
namespace {

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool send_all(int socket, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t sent = ::send(socket, data, size, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    data += sent;
    size -= static_cast<std::size_t>(sent);
  }
  return true;
}

// Accepts on a free port and keeps the sockets of its threads, so that all can be ended.
class Listener {
 public:
  Listener() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    if (bind(socket_, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(socket_, 64) != 0 ||
        getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error("cannot listen on the loopback interface");
    }
    port_ = ntohs(address.sin_port);
  }
  ~Listener() { stop(); }

  void start(std::function<void(int socket, int number)> serve) {
    acceptor_ = std::jthread([this, serve = std::move(serve)](std::stop_token stop) {
      while (!stop.stop_requested()) {
        const int accepted = accept(socket_, nullptr, nullptr);
        if (accepted < 0) return;
        const int number = count_.fetch_add(1);
        std::lock_guard hold(mutex_);
        open_.insert(accepted);
        threads_.emplace_back([this, serve, accepted, number] {
          serve(accepted, number);
          std::lock_guard hold_again(mutex_);
          open_.erase(accepted);
          ::close(accepted);
        });
      }
    });
  }

  void shut_connections() {
    std::lock_guard hold(mutex_);
    for (const int socket : open_) ::shutdown(socket, SHUT_RDWR);
  }

  void stop() {
    if (socket_ < 0) return;
    acceptor_.request_stop();
    ::shutdown(socket_, SHUT_RDWR);
    if (acceptor_.joinable()) acceptor_.join();
    shut_connections();
    threads_.clear();
    ::close(std::exchange(socket_, -1));
  }

  int port() const { return port_; }
  int count() const { return count_; }

 private:
  int socket_;
  int port_ = 0;
  std::atomic<int> count_{0};
  std::mutex mutex_;
  std::set<int> open_;
  std::list<std::jthread> threads_;
  std::jthread acceptor_;
};

}  // namespace

std::string Connection::read_request() {
  std::string request;
  std::array<char, 4096> buffer;
  std::size_t wanted = std::string::npos;
  while (request.size() < wanted) {
    const ssize_t got = recv(socket_, buffer.data(), buffer.size(), 0);
    if (got <= 0) return {};
    request.append(buffer.data(), static_cast<std::size_t>(got));
    const std::size_t head = request.find("\r\n\r\n");
    if (head == std::string::npos) continue;
    const std::size_t length = request.find("Content-Length:");
    wanted = head + 4 + (length < head ? std::stoul(request.substr(length + 15)) : 0);
  }
  return request;
}

bool Connection::send(const std::string& bytes) {
  return send_all(socket_, bytes.data(), bytes.size());
}

void Connection::wait_for_close() {
  std::array<char, 4096> buffer;
  while (recv(socket_, buffer.data(), buffer.size(), 0) > 0) {
  }
}

void Connection::close() {
  ::shutdown(socket_, SHUT_RDWR);
}

struct ScriptedServer::Impl {
  Listener listener;
};

ScriptedServer::ScriptedServer(std::function<void(Connection&, int)> serve) : impl_(std::make_unique<Impl>()) {
  impl_->listener.start([serve = std::move(serve)](int socket, int number) {
    Connection connection(socket);
    serve(connection, number);
  });
}
ScriptedServer::~ScriptedServer() = default;
int ScriptedServer::port() const {
  return impl_->listener.port();
}
int ScriptedServer::connections() const {
  return impl_->listener.count();
}

struct TcpProxy::Impl {
  explicit Impl(int target_in) : target(target_in) {}

  void forward(int client) {
    const int server = ::socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in address = loopback(target);
    if (connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) pump(client, server);
    ::close(server);
  }

  void pump(int client, int server) {
    std::vector<char> buffer(65536);
    std::array<pollfd, 2> ends{pollfd{client, POLLIN, 0}, pollfd{server, POLLIN, 0}};
    while (true) {
      // Looks at `frozen` and `closing` every 10 ms.
      for (pollfd& end : ends) end.events = frozen ? 0 : POLLIN;
      if (poll(ends.data(), ends.size(), 10) < 0 || closing) return;
      if (frozen) {
        if (ends[0].revents & POLLHUP) return;
        continue;
      }
      for (std::size_t i = 0; i < 2; ++i) {
        if (ends[i].revents == 0) continue;
        const ssize_t got = recv(ends[i].fd, buffer.data(), buffer.size(), 0);
        if (got <= 0 || !send_all(ends[1 - i].fd, buffer.data(), static_cast<std::size_t>(got))) return;
      }
    }
  }

  std::atomic<int> target;
  std::atomic<bool> frozen{false};
  std::atomic<bool> closing{false};
  Listener listener;  // last: its threads use the rest
};

TcpProxy::TcpProxy(int target) : impl_(std::make_unique<Impl>(target)) {
  impl_->listener.start([impl = impl_.get()](int socket, int) { impl->forward(socket); });
}
TcpProxy::~TcpProxy() {
  impl_->closing = true;
}
int TcpProxy::port() const {
  return impl_->listener.port();
}
void TcpProxy::cut() {
  impl_->listener.shut_connections();
}
void TcpProxy::retarget(int target) {
  impl_->target = target;
}
void TcpProxy::freeze(bool frozen) {
  impl_->frozen = frozen;
}
int TcpProxy::connections() const {
  return impl_->listener.count();
}

}  // namespace imageclassifier::testing
