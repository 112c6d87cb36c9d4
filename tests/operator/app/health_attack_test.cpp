#include <catch2/catch.hpp>
#include <deque>
#include <thread>

#include "common/clock.hpp"
#include "operator/app/health.hpp"
#include "tests/support/raw_client.hpp"

using namespace imageclassifier;
using namespace imageclassifier::app;
using namespace std::chrono_literals;
using test::RawClient;

namespace {

// The sanitizers keep freed memory and slow everything down.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr double kMoreMegabytes = 200;
constexpr int kConnections = 1'000;
#else
constexpr double kMoreMegabytes = 8;
constexpr int kConnections = 10'000;
#endif
constexpr auto kProbeTimeout = 5s;  // the chart's

/// The listener as it is shipped, and a kubelet that probes it. The attacker's own sockets cost this process nothing:
/// the kernel has them.
struct Rig {
  Rig() {
    RunOptions options;
    options.listen_address = "127.0.0.1";
    options.listen_port = 0;
    metrics.export_process_metrics();
    auto started = serve_health(options, {}, metrics);
    REQUIRE(started);
    server = std::move(*started);
    probe();
    before = resident();
  }

  double resident() {
    metrics.text();
    return metrics.gauge("process_resident_memory_bytes", "Resident memory size in bytes.").value() / 1e6;
  }
  /// As the kubelet: a new connection each time.
  void probe() {
    const SteadyTime started = clock.steady_now();
    RawClient client(server->port());
    client.send("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    const std::string response = client.read_to_end();
    CHECK(test::status_of(response) == 200);
    longest = std::max(longest, clock.steady_now() - started);
  }
  void check_after(const char* attack) {
    probe();
    const double grown = resident() - before;
    const double longest_ms = std::chrono::duration<double, std::milli>(longest).count();
    WARN(attack << ": grew by " << grown << " MB, longest probe " << longest_ms << " ms");
    CHECK(grown < kMoreMegabytes);
    CHECK(longest < kProbeTimeout);
  }

  SystemClock clock;
  MetricsRegistry metrics;
  std::unique_ptr<HttpServer> server;
  double before = 0;
  Duration longest{};
};

}  // namespace

TEST_CASE("ten thousand connections that say nothing cost no memory, and probes are answered") {
  Rig rig;
  std::deque<RawClient> clients;
  for (int i = 0; i < kConnections; ++i) {
    clients.emplace_back(rig.server->port());
    if (i % 100 == 0) rig.probe();
  }
  CHECK(rig.server->connections() <= 257);
  rig.check_after("connections");
}

TEST_CASE("slow-loris: headers that come byte by byte hold no memory and no probe") {
  Rig rig;
  std::deque<RawClient> clients;
  const SteadyTime end = rig.clock.steady_now() + 3s;
  for (int round = 0; rig.clock.steady_now() < end; ++round) {
    for (int i = 0; i < 20; ++i) {
      clients.emplace_back(rig.server->port());
      clients.back().send("GET /healthz HTTP/1.1\r\nX: ");
    }
    for (RawClient& client : clients) client.send("a");
    while (clients.size() > 600) clients.pop_front();
    if (round % 10 == 0) rig.probe();
  }
  rig.check_after("slow-loris");
}

TEST_CASE("a header of a hundred megabytes is cut off at the limit") {
  Rig rig;
  RawClient client(rig.server->port());
  client.send("GET /healthz HTTP/1.1\r\nX: ");
  const std::string block(1'000'000, 'a');
  for (int i = 0; i < 100 && client.send(block); ++i) {
  }
  CHECK(test::status_of(client.read_to_end()) == 431);
  rig.check_after("100 MB header");
}

TEST_CASE("clients that ask again and again and never read an answer hold no probe") {
  Rig rig;
  std::string many;
  for (int i = 0; i < 200; ++i) many += "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
  std::deque<RawClient> clients;
  for (int i = 0; i < 300; ++i) {
    clients.emplace_back(rig.server->port());
    clients.back().send(many);
  }
  for (int i = 0; i < 5; ++i) rig.probe();
  rig.check_after("answers that nobody reads");
}

TEST_CASE("refused requests, whose connections linger, hold no probe") {
  Rig rig;
  std::deque<RawClient> clients;
  for (int i = 0; i < 1000; ++i) {
    clients.emplace_back(rig.server->port());
    clients.back().send("nonsense\r\n\r\n");
    if (i % 100 == 0) rig.probe();
  }
  rig.check_after("refusals");
}
