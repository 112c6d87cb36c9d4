#include "common/http_server.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <limits>
#include <optional>
#include <thread>
#include <utility>

#include "common/http_server_connection.hpp"

namespace imageclassifier {
namespace asio = boost::asio;
using tcp = asio::ip::tcp;

void HttpMailbox::post(std::function<void()> function) {
  std::unique_lock hold(mutex);
  if (io != nullptr) asio::post(*io, std::move(function));
}

HttpResponder::State::~State() {
  deliver(std::nullopt);
}

void HttpResponder::State::deliver(std::optional<HttpResponse> response) {
  if (answered.exchange(true)) return;
  mailbox->post([connection = connection, response = std::move(response)]() mutable {
    if (const auto alive = connection.lock()) alive->answer(std::move(response));
  });
}

void HttpResponder::respond(HttpResponse response) const {
  state_->deliver(std::move(response));
}
void HttpResponder::fail() const {
  state_->deliver(std::nullopt);
}
bool HttpResponder::client_gone() const {
  return state_->client_gone->load();
}

void HttpServerCore::add(const std::shared_ptr<HttpConnection>& connection) {
  connections.emplace(connection.get(), connection);
  connection_count = connections.size();
}

void HttpServerCore::remove(HttpConnection* connection) {
  connections.erase(connection);
  connection_count = connections.size();
  on_connection_closed();
}

namespace {

constexpr int kAcceptedAtOnce = 64;

/// Of those that fit, the one that waits longest for its client; null: none fits.
template <typename Fits>
std::shared_ptr<HttpConnection> longest_waiting(const HttpServerCore& core, Fits fits) {
  std::shared_ptr<HttpConnection> longest;
  for (const auto& [key, connection] : core.connections) {
    if (!fits(*connection)) continue;
    if (!longest || connection->waiting_since() < longest->waiting_since()) longest = connection;
  }
  return longest;
}

}  // namespace

std::shared_ptr<HttpConnection> HttpServerCore::slowest_upload() const {
  return longest_waiting(*this, [](const HttpConnection& connection) { return connection.holds_upload(); });
}

struct HttpServer::Impl {
  Impl(HttpServerOptions options, std::vector<HttpRoute> routes)
      : core(std::move(options), std::move(routes)), acceptor(core.io), retry(core.io) {
    core.mailbox->io = &core.io;
    core.on_connection_closed = [this] {
      // The lock orders this change before the waiter's look at it.
      std::unique_lock hold(mutex);
      closed.notify_all();
    };
  }

  void accept();
  void take_clients();
  bool accept_waiting(int limit);
  void close_listener();
  bool evict_one();
  void stop();

  HttpServerCore core;
  tcp::acceptor acceptor;
  asio::steady_timer retry;
  std::optional<tcp::socket> next;  ///< accepted, while there is no room for it
  std::uint16_t port = 0;
  bool speaks_tls = false;
  std::mutex mutex;
  std::condition_variable_any closed;
  std::jthread thread;
};

void HttpServer::Impl::accept() {
  acceptor.async_wait(tcp::acceptor::wait_read, [this](const boost::system::error_code& error) {
    if (!error && acceptor.is_open()) take_clients();
  });
}

void HttpServer::Impl::take_clients() {
  // Several at a time: one per turn of the loop would wait behind every request of all others.
  if (accept_waiting(kAcceptedAtOnce)) return accept();
  // Whom there is no room for is not turned away but waits; do not spin on that.
  retry.expires_after(std::chrono::milliseconds(5));
  retry.async_wait([this](const boost::system::error_code& cancelled) {
    if (!cancelled && acceptor.is_open()) take_clients();
  });
}

/// False: there is no room for the next.
bool HttpServer::Impl::accept_waiting(int limit) {
  while (limit-- > 0) {
    if (!next) {
      tcp::socket socket(core.io);
      boost::system::error_code error;
      acceptor.accept(socket, error);
      if (error == asio::error::would_block || error == asio::error::try_again) return true;
      if (error) {
        evict_one();  // out of descriptors, most likely
        return false;
      }
      next = std::move(socket);
    }
    if (core.connections.size() >= core.options.max_connections && !evict_one()) return false;
    const auto connection = std::make_shared<HttpConnection>(*std::exchange(next, std::nullopt), core);
    core.add(connection);
    connection->start();
    if (core.draining) connection->on_drain();
  }
  return true;
}

/// A closed listener resets the clients that the kernel has connected but nobody has accepted yet: take them first.
void HttpServer::Impl::close_listener() {
  accept_waiting(std::numeric_limits<int>::max());
  next.reset();
  boost::system::error_code ignored;
  acceptor.close(ignored);
}

bool HttpServer::Impl::evict_one() {
  const SteadyTime now = SystemClock().steady_now();
  auto evicted = longest_waiting(core, [](const HttpConnection& connection) { return connection.is_waiting(); });
  if (!evicted) {
    evicted = longest_waiting(core, [now](const HttpConnection& connection) { return connection.is_over(now); });
  }
  if (!evicted) {
    evicted = longest_waiting(core, [now](const HttpConnection& connection) { return connection.stalls(now); });
    if (evicted) evicted->give_way();
  }
  if (evicted) evicted->close();
  return evicted != nullptr;
}

void HttpServer::Impl::stop() {
  asio::post(core.io, [this] {
    boost::system::error_code ignored;
    acceptor.close(ignored);
    retry.cancel();
    const auto connections = core.connections;
    for (const auto& [key, connection] : connections) connection->close();
    core.io.stop();
  });
  if (thread.joinable()) thread.join();
  {
    std::unique_lock hold(core.mailbox->mutex);
    core.mailbox->io = nullptr;
  }
  core.handlers.stop();
  core.handlers.join();
}

Result<std::unique_ptr<HttpServer>> HttpServer::start(HttpServerOptions options, std::vector<HttpRoute> routes) {
  boost::system::error_code error;
  const auto address = asio::ip::make_address(options.address, error);
  if (error) return fail(ErrorCode::kInvalidArgument, "\"" + options.address + "\" is not an IP address");
  const tcp::endpoint endpoint(address, options.port);
  std::shared_ptr<const HttpTlsContext> tls;
  if (options.tls) {
    auto made = HttpTlsContext::make(*options.tls);
    if (!made) return fail(made.error());
    tls = std::move(*made);
    options.tls.reset();  // the key has one place in memory
  }
  const std::string host = address.is_v6() ? "[" + options.address + "]" : options.address;
  const std::string where = host + ":" + std::to_string(options.port);
  auto impl = std::make_unique<Impl>(std::move(options), std::move(routes));
  impl->speaks_tls = tls != nullptr;
  impl->core.tls = std::move(tls);
  tcp::acceptor& acceptor = impl->acceptor;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (!error) acceptor.non_blocking(true, error);
  if (error) return fail(ErrorCode::kUnavailable, "cannot listen on " + where + ": " + error.message());
  impl->port = acceptor.local_endpoint(error).port();
  impl->accept();
  impl->thread = std::jthread([core = &impl->core] {
    const auto guard = asio::make_work_guard(core->io);
    core->io.run();
  });
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() {
  impl_->stop();
}

std::uint16_t HttpServer::port() const {
  return impl_->port;
}

std::size_t HttpServer::connections() const {
  return impl_->core.connection_count;
}

Result<void> HttpServer::change_certificate(const HttpTlsPair& pair) {
  if (!impl_->speaks_tls) return fail(ErrorCode::kUnsupported, "this server does not speak TLS");
  auto made = HttpTlsContext::make(pair);
  if (!made) return fail(made.error());
  asio::post(impl_->core.io, [core = &impl_->core, tls = std::move(*made)]() mutable { core->tls = std::move(tls); });
  return {};
}

void HttpServer::announce_drain() {
  impl_->core.announce_close = true;
}

bool HttpServer::drain(Duration timeout, std::stop_token fast) {
  announce_drain();
  bool started = false;
  asio::post(impl_->core.io, [impl = impl_.get(), &started] {
    impl->close_listener();
    impl->core.draining = true;
    const auto connections = impl->core.connections;
    for (const auto& [key, connection] : connections) connection->on_drain();
    std::unique_lock hold(impl->mutex);
    started = true;
    impl->closed.notify_all();
  });
  SystemClock clock;
  std::unique_lock lock(impl_->mutex);
  impl_->closed.wait(lock, [&started] { return started; });
  return clock.wait_until(impl_->closed, lock, std::move(fast), clock.steady_now() + timeout,
                          [this] { return impl_->core.connection_count == 0; });
}

}  // namespace imageclassifier
