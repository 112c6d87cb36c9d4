#include "tests/support/scripted_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <list>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "operator/kubernetes/c_handle.hpp"

namespace imageclassifier::testing {
namespace {

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

using kubernetes::Free;
using Bio = std::unique_ptr<BIO, Free<BIO_free>>;
using Tls = std::unique_ptr<SSL, Free<SSL_free>>;

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
  explicit Listener(bool ipv6 = false) : socket_(::socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = loopback(0);
    sockaddr_in6 address6{};
    address6.sin6_family = AF_INET6;
    address6.sin6_addr = in6addr_loopback;
    auto* const any = ipv6 ? reinterpret_cast<sockaddr*>(&address6) : reinterpret_cast<sockaddr*>(&address);
    socklen_t size = ipv6 ? sizeof address6 : sizeof address;
    if (bind(socket_, any, size) != 0 || listen(socket_, 64) != 0 || getsockname(socket_, any, &size) != 0) {
      throw std::runtime_error(std::string("cannot listen on ") + (ipv6 ? "::1" : "127.0.0.1"));
    }
    port_ = ntohs(ipv6 ? address6.sin6_port : address.sin_port);
  }
  ~Listener() { stop(); }

  void start(std::function<void(int socket, int number)> serve) {
    acceptor_ = std::jthread([this, serve = std::move(serve)](std::stop_token stop) {
      while (!stop.stop_requested()) {
        const int accepted = accept(socket_, nullptr, nullptr);
        if (accepted < 0) return;
        std::lock_guard hold(mutex_);
        open_.insert(accepted);
        const int number = count_.fetch_add(1);  // after the line above: what has been counted can be cut
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

long Connection::receive(char* data, std::size_t size) {
  return tls_ == nullptr ? recv(socket_, data, size, 0) : SSL_read(tls_, data, static_cast<int>(size));
}

std::string Connection::read_request() {
  std::string request;
  std::array<char, 4096> buffer;
  std::size_t wanted = std::string::npos;
  while (request.size() < wanted) {
    const long got = receive(buffer.data(), buffer.size());
    if (got <= 0) return {};
    request.append(buffer.data(), static_cast<std::size_t>(got));
    const std::size_t head = request.find("\r\n\r\n");
    if (head == std::string::npos) continue;
    const std::size_t length = request.find("Content-Length:");
    wanted = head + 4 + (length < head ? std::stoul(request.substr(length + 15, 20)) : 0);
  }
  return request;
}

std::string Connection::read_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  std::size_t have = 0;
  while (have < count) {
    const long got = receive(bytes.data() + have, count - have);
    if (got <= 0) break;
    have += static_cast<std::size_t>(got);
  }
  bytes.resize(have);
  return bytes;
}

bool Connection::send(const std::string& bytes) {
  if (tls_ == nullptr) return send_all(socket_, bytes.data(), bytes.size());
  return bytes.empty() || SSL_write(tls_, bytes.data(), static_cast<int>(bytes.size())) > 0;
}

void Connection::wait_for_close() {
  std::array<char, 4096> buffer;
  while (receive(buffer.data(), buffer.size()) > 0) {
  }
}

void Connection::close() {
  if (tls_ != nullptr) SSL_shutdown(tls_);
  ::shutdown(socket_, SHUT_RDWR);
}

void Connection::reset() {
  const linger at_once{1, 0};
  setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

bool Connection::has_more() const {
  return tls_ != nullptr && SSL_pending(tls_) > 0;
}

void Connection::tunnel(int port, const std::function<Tunnel()>& state) {
  const int server = ::socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = loopback(port);
  bool open = connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  std::string buffer(65536, '\0');
  std::array<pollfd, 2> ends{pollfd{socket_, POLLIN, 0}, pollfd{server, POLLIN, 0}};
  std::size_t sent = 0;
  while (open) {
    const Tunnel now = state ? state() : Tunnel{};
    for (pollfd& end : ends) end.events = now.frozen ? 0 : POLLIN;
    if (poll(ends.data(), ends.size(), has_more() ? 0 : 10) < 0 || now.closing) break;
    // Asked again: frozen while waiting, what has come since must not pass.
    if (now.frozen || (state && state().frozen)) {
      if (ends[0].revents & POLLHUP) break;
      continue;
    }
    if (ends[0].revents != 0 || has_more()) {
      const long got = receive(buffer.data(), buffer.size());
      open = got > 0 && send_all(server, buffer.data(), static_cast<std::size_t>(got));
      sent += open ? static_cast<std::size_t>(got) : 0;
    }
    if (open && ends[1].revents != 0) {
      const ssize_t got = recv(server, buffer.data(), buffer.size(), 0);
      open = got > 0 && sent < now.lose_answer_after && send(buffer.substr(0, static_cast<std::size_t>(got)));
    }
  }
  ::close(server);
}

std::string Connection::peer() const {
  X509* const certificate = tls_ == nullptr ? nullptr : SSL_get0_peer_certificate(tls_);
  if (certificate == nullptr) return {};
  std::array<char, 256> name{};
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name.data(), name.size());
  return name.data();
}

struct ServerTls::Impl {
  std::mutex mutex;
  Certified certified;
  std::string client_authority_pem;

  // A context of its own for each connection: simple, and fast enough for tests.
  Tls accept(int socket) {
    const std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>> context(SSL_CTX_new(TLS_server_method()));
    {
      std::lock_guard hold(mutex);
      const Bio certificate(BIO_new_mem_buf(certified.certificate_pem.data(), -1));
      const Bio key(BIO_new_mem_buf(certified.key_pem.data(), -1));
      const std::unique_ptr<X509, Free<X509_free>> ours(
          PEM_read_bio_X509(certificate.get(), nullptr, nullptr, nullptr));
      const std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>> secret(
          PEM_read_bio_PrivateKey(key.get(), nullptr, nullptr, nullptr));
      SSL_CTX_use_certificate(context.get(), ours.get());
      SSL_CTX_use_PrivateKey(context.get(), secret.get());
      if (!client_authority_pem.empty()) {
        const Bio authority(BIO_new_mem_buf(client_authority_pem.data(), -1));
        const std::unique_ptr<X509, Free<X509_free>> trusted(
            PEM_read_bio_X509(authority.get(), nullptr, nullptr, nullptr));
        X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), trusted.get());
        SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
      }
    }
    Tls tls(SSL_new(context.get()));
    SSL_set_fd(tls.get(), socket);
    const bool done = SSL_accept(tls.get()) == 1;
    ERR_clear_error();
    return done ? std::move(tls) : nullptr;
  }
};

ServerTls::ServerTls(const Certified& certified, const std::string& client_authority_pem)
    : impl_(std::make_unique<Impl>()) {
  signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to sockets that are closed
  impl_->client_authority_pem = client_authority_pem;
  present(certified);
}
ServerTls::~ServerTls() = default;
void ServerTls::present(const Certified& certified) {
  std::lock_guard hold(impl_->mutex);
  impl_->certified = certified;
}

struct ScriptedServer::Impl {
  explicit Impl(const Options& options_in) : options(options_in), listener(options_in.ipv6) {}
  const Options options;
  Listener listener;
};

ScriptedServer::ScriptedServer(std::function<void(Connection&, int)> serve, Options options)
    : impl_(std::make_unique<Impl>(options)) {
  impl_->listener.start([serve = std::move(serve), tls = options.tls](int socket, int number) {
    const Tls session = tls == nullptr ? nullptr : tls->impl_->accept(socket);
    if (tls != nullptr && session == nullptr) return;
    Connection connection(socket, session.get());
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
std::string ScriptedServer::url() const {
  return std::string(impl_->options.tls == nullptr ? "http://" : "https://") +
         (impl_->options.ipv6 ? "[::1]:" : "127.0.0.1:") + std::to_string(port());
}

struct TcpProxy::Impl {
  explicit Impl(int target_in) : target(target_in) {}

  void forward(int client) {
    Connection(client).tunnel(target, [this] { return Connection::Tunnel{frozen, closing, lose_answer_after}; });
  }

  std::atomic<int> target;
  std::atomic<bool> frozen{false};
  std::atomic<bool> closing{false};
  std::atomic<std::size_t> lose_answer_after{std::string::npos};
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
void TcpProxy::lose_answer_after(std::size_t bytes) {
  impl_->lose_answer_after = bytes;
}
int TcpProxy::connections() const {
  return impl_->listener.count();
}

}  // namespace imageclassifier::testing
