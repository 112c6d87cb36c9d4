#pragma once

#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "operator/kubernetes/cpprest_transport.hpp"
#include "operator/kubernetes/transport_factory.hpp"
#include "tests/support/scripted_server.hpp"

/// What all tests of transports share: the transports, each with and without TLS, a server that does as a test says,
/// and pieces of answers.
namespace imageclassifier::testing {

struct Cpprest {
  static constexpr kubernetes::TransportKind kKind = kubernetes::TransportKind::kCpprest;
  static constexpr bool kTls = false;
};
struct CpprestTls : Cpprest {
  static constexpr bool kTls = true;
};
struct Curl {
  static constexpr kubernetes::TransportKind kKind = kubernetes::TransportKind::kCurl;
  static constexpr bool kTls = false;
};
struct CurlTls : Curl {
  static constexpr bool kTls = true;
};

// The thread sanitizer does not see into cpprestsdk, which is not built with it, and reports its locks as races.
#ifdef __SANITIZE_THREAD__
using EachTransport = std::tuple<Curl, CurlTls>;
using EachTlsTransport = std::tuple<CurlTls>;
#else
using EachTransport = std::tuple<Cpprest, CpprestTls, Curl, CurlTls>;
using EachTlsTransport = std::tuple<CpprestTls, CurlTls>;
#endif

/// The authority of all servers here that are in good order.
const TestAuthority& cluster_authority();

inline std::string answer(const std::string& body, const std::string& head = "HTTP/1.1 200 OK\r\n") {
  return head + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}
inline std::string chunk(const std::string& text) {
  char size[16];
  std::snprintf(size, sizeof size, "%zx\r\n", text.size());
  return size + text + "\r\n";
}
inline const std::string kChunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
inline const kubernetes::Request kGet{
    kubernetes::Method::kGet, "/api/v1/x?a=b%2Cc&d=%25", {{"Accept", "application/json"}}, {}};
inline const kubernetes::Request kPost{
    kubernetes::Method::kPost, "/api/v1/x", {{"Content-Type", "application/json"}}, "{}"};

struct Lines final : kubernetes::LineSink {
  std::vector<std::string> seen;
  std::function<bool(std::string_view)> decide = [](std::string_view) { return true; };
  bool on_line(std::string_view line) override {
    seen.emplace_back(line);
    return decide(line);
  }
};

/// A configuration for a server of ours.
inline kubernetes::ClientConfig config_for(const std::string& url) {
  kubernetes::ClientConfig config;
  config.server = url;
  config.tls.ca_pem = cluster_authority().certificate_pem();
  return config;
}

/// A transport to wherever `config` says.
struct Client {
  SystemClock clock;
  std::unique_ptr<kubernetes::Transport> transport;

  explicit Client(const kubernetes::ClientConfig& config, const kubernetes::TransportOptions& options) {
    auto made = kubernetes::make_transport(config, options, clock);
    if (!made) FAIL(made.error().describe());
    transport = std::move(*made);
  }
  Result<kubernetes::Response> send(const kubernetes::Request& request, Duration budget = std::chrono::seconds(10),
                                    std::stop_token stop = {}) {
    return transport->send(request, clock.steady_now() + budget, stop);
  }
  Result<kubernetes::StreamEnd> stream(Lines& lines, Duration idle = std::chrono::seconds(10),
                                       std::stop_token stop = {}) {
    return transport->stream({kubernetes::Method::kGet, "/watch", {}, {}}, lines, idle, stop);
  }
};

/// A server that does as `serve` says, and a transport `Over` to it.
template <typename Over>
struct Rig {
  using Serve = std::function<void(Connection&, int number)>;

  explicit Rig(Serve serve, kubernetes::TransportOptions options = {}, const std::string& prefix = "")
      : tls(cluster_authority().issue("server", {"DNS:localhost", "IP:127.0.0.1"})),
        server(std::move(serve), {.tls = Over::kTls ? &tls : nullptr}),
        client(config_for(server.url() + prefix), with_kind(options)) {}

  static kubernetes::TransportOptions with_kind(kubernetes::TransportOptions options) {
    options.kind = Over::kKind;
    return options;
  }
  Result<kubernetes::Response> send(const kubernetes::Request& request, Duration budget = std::chrono::seconds(10),
                                    std::stop_token stop = {}) {
    return client.send(request, budget, stop);
  }
  Result<kubernetes::StreamEnd> stream(Lines& lines, Duration idle = std::chrono::seconds(10),
                                       std::stop_token stop = {}) {
    return client.stream(lines, idle, stop);
  }

  ServerTls tls;
  ScriptedServer server;
  Client client;
};

}  // namespace imageclassifier::testing
