#include <atomic>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "operator/kubernetes/api_client.hpp"
#include "tests/operator/kubernetes/transport_rig.hpp"

// Which connections a Transport uses, and that it sends nothing twice.
using namespace imageclassifier;
using namespace imageclassifier::kubernetes;
using namespace imageclassifier::testing;
using namespace std::chrono_literals;

namespace {

// Answers every request on every connection, but for the method `lost` reads and closes.
struct Forgetful {
  std::string lost;
  bool reset = false;
  std::mutex mutex;
  std::vector<std::string> methods;

  void operator()(Connection& connection, int) {
    while (true) {
      const std::string request = connection.read_request();
      if (request.empty()) return;
      const std::string method = request.substr(0, request.find(' '));
      {
        std::lock_guard hold(mutex);
        methods.push_back(method);
      }
      if (method == lost) {
        if (reset) connection.reset();
        return;
      }
      connection.send(answer("{}"));
    }
  }
  long count(const std::string& method) {
    std::lock_guard hold(mutex);
    return std::count(methods.begin(), methods.end(), method);
  }
};

/// How often `work` failed when each of `workers` threads did it so many times. Catch2 counts on one thread only.
int failures_of(int times, int workers, const std::function<bool()>& work) {
  std::atomic<int> failed{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < workers; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < times; ++n) failed += !work();
    });
  }
  for (std::thread& thread : threads) thread.join();
  return failed;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("one connection after another carries many requests, also writes", "", EachTransport) {
  Forgetful server;
  Rig<TestType> rig([&](Connection& connection, int number) { server(connection, number); });
  for (int i = 0; i < 20; ++i) {
    REQUIRE(rig.send(kGet));
    REQUIRE(rig.send({Method::kPatch, "/x", {}, "{}"}));
  }
  CHECK(rig.server.connections() == 1);
}

TEMPLATE_LIST_TEST_CASE("workers at the same time use about a connection each", "", EachTransport) {
  Forgetful server;
  Rig<TestType> rig([&](Connection& connection, int number) { server(connection, number); });
  constexpr int kWorkers = 4;
  CHECK(failures_of(125, kWorkers, [&] { return rig.send(kGet) && rig.send({Method::kPatch, "/x", {}, "{}"}); }) == 0);
  CHECK(server.count("PATCH") == 500);
  CHECK(rig.server.connections() <= kWorkers + 2);
}

TEMPLATE_LIST_TEST_CASE("workers that also create have no more than a connection each at a time", "", EachTransport) {
  std::atomic<int> open{0}, most{0};
  Rig<TestType> rig([&](Connection& connection, int) {
    const int now = ++open;
    for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) continue;
    while (!connection.read_request().empty()) connection.send(answer("{}"));
    --open;
  });
  constexpr int kWorkers = 4;
  CHECK(failures_of(50, kWorkers, [&] { return rig.send(kGet) && rig.send({Method::kPost, "/x", {}, "{}"}); }) == 0);
  CHECK(most <= kWorkers + 2);  // the server sees the end of one a moment after the client
}

TEMPLATE_LIST_TEST_CASE("a write whose connection is lost before the answer is not sent again", "", EachTransport) {
  Forgetful server;
  const Method method = GENERATE(Method::kPost, Method::kPut, Method::kPatch, Method::kDelete);
  const std::string body = GENERATE("{}", "");
  server.lost = to_string(method);
  server.reset = GENERATE(false, true);
  Rig<TestType> rig([&](Connection& connection, int number) { server(connection, number); });
  // Libraries repeat requests on connections that were used before.
  for (int i = 0; i < 5; ++i) REQUIRE(rig.send(kGet));
  const auto lost = rig.send({method, "/api/v1/x", {{"Content-Type", "application/json"}}, body});
  REQUIRE_FALSE(lost);
  CHECK(lost.error().code == ErrorCode::kUnavailable);
  CHECK(server.count(server.lost) == 1);
  REQUIRE(rig.send(kGet));
}

TEMPLATE_LIST_TEST_CASE("after a reset the client repeats a GET, and no write", "", EachTransport) {
  std::mutex mutex;
  std::vector<std::string> requests;
  Rig<TestType> rig([&](Connection& connection, int number) {
    const std::string request = connection.read_request();
    {
      std::lock_guard hold(mutex);
      requests.push_back(request.substr(0, request.find(' ')));
    }
    if (number % 2 == 0) return connection.reset();
    connection.send(answer("{}", "HTTP/1.1 200 OK\r\nConnection: close\r\n"));
  });
  const auto taken = [&] {
    std::lock_guard hold(mutex);
    return std::exchange(requests, {});
  };
  MetricsRegistry metrics;
  const auto tokens = make_token_source(config_for(rig.server.url()), rig.client.clock);
  ApiClient client(*rig.client.transport, *tokens, rig.client.clock, metrics, {});
  REQUIRE(client.execute(kGet, {}));
  CHECK(taken() == std::vector<std::string>{"GET", "GET"});
  for (const Method method : {Method::kPost, Method::kPut, Method::kPatch, Method::kDelete}) {
    const auto lost = client.execute({method, "/x", {{"Content-Type", "text/plain"}}, "{}"}, {});
    REQUIRE_FALSE(lost);
    CHECK(lost.error().code == ErrorCode::kUnavailable);
    CHECK(taken() == std::vector<std::string>{to_string(method)});
    REQUIRE(client.execute(kGet, {}));  // makes the number even again
    (void)taken();
  }
}

TEMPLATE_LIST_TEST_CASE("a connection is given up at its maximum age", "", EachTransport) {
  Forgetful server;
  Rig<TestType> rig([&](Connection& connection, int number) { server(connection, number); },
                    {.maximum_connection_age = 50ms});
  REQUIRE(rig.send(kGet));
  std::this_thread::sleep_for(60ms);
  REQUIRE(rig.send(kGet));
  CHECK(rig.server.connections() == 2);
}

TEMPLATE_LIST_TEST_CASE("a connection that the server has closed while it was idle does no harm", "", EachTransport) {
  Rig<TestType> rig([&](Connection& connection, int) {
    connection.read_request();
    connection.send(answer("{}"));
    connection.close();
  });
  for (int i = 0; i < 5; ++i) {
    CHECK(rig.send(kGet).has_value());
    std::this_thread::sleep_for(20ms);
    // cpprestsdk does not see it and may not repeat what it has sent; each POST has a connection of its own.
    const Method method = TestType::kKind == TransportKind::kCurl ? Method::kPatch : Method::kPost;
    CHECK(rig.send({method, "/x", {}, "{}"}).has_value());
    std::this_thread::sleep_for(20ms);  // so that the close has arrived
  }
}
