#include "operator/runtime/leader_election.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/operator/runtime/lease_server.hpp"
#include "tests/support/no_token.hpp"

using namespace imageclassifier;
using namespace imageclassifier::runtime;
using namespace imageclassifier::testing;
using namespace std::chrono_literals;

namespace {

constexpr LeaseTiming kShort{1000ms, 600ms, 50ms};

/// One process that stands for election, with a thread for run().
struct Candidate {
  Candidate(LeaseServer& server, const std::string& identity, LeaseTiming timing = kShort)
      : connection(server),
        client(connection, tokens, clock, metrics, {.request_timeout = LeaderElection::request_time(timing)}),
        election({"system", "lease", identity, timing, 300ms}, client, fence, clock, metrics) {}
  ~Candidate() {
    if (thread.joinable()) stop();
  }

  void start() {
    thread = std::jthread([this](std::stop_token token) {
      result = election.run(token, [this](std::stop_token lost) {
        ++terms;
        set_leading(true);
        const Result<void> worked = work ? work(lost) : wait(lost);
        set_leading(false);
        return worked;
      });
    });
  }
  void stop() {
    thread.request_stop();
    thread.join();
  }
  static Result<void> wait(std::stop_token lost) {
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable_any never;
    never.wait(lock, lost, [] { return false; });
    return {};
  }
  void set_leading(bool now) {
    std::lock_guard hold(mutex);
    leading = now;
    changed.notify_all();
  }
  bool becomes(bool wanted) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, 10s, [&] { return leading == wanted; });
  }
  double status() { return metrics.gauge("leader_election_master_status", "", {{"name", "lease"}}).value(); }

  SystemClock clock;
  MetricsRegistry metrics;
  NoToken tokens;
  LeaseServer::Connection connection;
  kubernetes::ApiClient client;
  LeaseFence fence{{}, clock};
  LeaderElection election;
  std::function<Result<void>(std::stop_token)> work;
  Result<void> result;
  std::atomic<int> terms{0};
  std::mutex mutex;
  std::condition_variable changed;
  bool leading = false;
  std::jthread thread;
};

}  // namespace

TEST_CASE("the first to come makes the lease and leads, and gives it back at its end") {
  LeaseServer server;
  Candidate a(server, "a");
  CHECK_FALSE(a.fence.open_until());
  CHECK(a.status() == 0);
  a.start();
  REQUIRE(a.becomes(true));
  CHECK(server.holder() == "a");
  CHECK(a.fence.open_until());
  CHECK(a.status() == 1);
  CHECK(a.election.fresh());
  a.stop();
  CHECK(a.result);
  CHECK(server.holder().empty());
  CHECK_FALSE(a.fence.open_until());
  CHECK(a.status() == 0);
}

TEST_CASE("a leader that leaves in good order is replaced at once, long before its lease would have run out") {
  LeaseServer server;
  Candidate a(server, "a", {30s, 20s, 5s});
  Candidate b(server, "b", {30s, 20s, 5s});
  a.start();
  REQUIRE(a.becomes(true));
  b.start();
  server.wait_for_watches(1);
  a.stop();
  CHECK(b.becomes(true));
  CHECK(server.holder() == "b");
}

TEST_CASE("a leader that died is replaced when its lease has run out, not before") {
  LeaseServer server;
  Candidate b(server, "b");
  server.take("a");
  const auto taken = std::chrono::steady_clock::now();
  b.start();
  REQUIRE(b.becomes(true));
  CHECK(std::chrono::steady_clock::now() - taken >= kShort.lease_duration);
  CHECK(server.holder() == "b");
}

TEST_CASE("without the right to watch, a follower looks again and again") {
  LeaseServer server;
  server.refuse_watches();
  Candidate a(server, "a");
  Candidate b(server, "b");
  a.start();
  REQUIRE(a.becomes(true));
  b.start();
  a.stop();
  CHECK(b.becomes(true));
}

TEST_CASE("a watch that the server ends with an error is not opened again without a pause") {
  LeaseServer server;
  server.fail_watches();
  server.take("a");
  Candidate b(server, "b");
  b.start();
  REQUIRE(b.becomes(true));
  // A pause is 25 to 50 ms here, and the lease runs out after a second.
  CHECK(server.watches() >= 2);
  CHECK(server.watches() <= 45);
}

TEST_CASE("a free lease that cannot be taken is tried again after pauses, and nobody leads on an answer for another") {
  LeaseServer server;
  nlohmann::json of_another = {{"metadata", {{"name", "lease"}, {"resourceVersion", "7"}}},
                               {"spec", {{"holderIdentity", "z"}, {"leaseDurationSeconds", 1}}}};
  const bool conflict = GENERATE(true, false);
  if (conflict) {
    server.answer_writes(409, {{"reason", "Conflict"}, {"kind", "Status"}});
  } else {
    server.answer_writes(200, of_another);
  }
  server.take("");
  Candidate a(server, "a");
  a.start();
  server.wait_until([&] { return server.writes() >= 5; });
  const int before = server.writes();
  std::this_thread::sleep_for(500ms);
  // A pause is 25 to 50 ms here.
  CHECK(server.writes() - before <= 25);
  CHECK(a.terms == 0);
  CHECK_FALSE(a.fence.open_until());
}

TEST_CASE("a leader that cannot reach the server stops in time and leads again when it can") {
  LeaseServer server;
  Candidate a(server, "a");
  a.start();
  REQUIRE(a.becomes(true));
  a.connection.break_down(true);
  REQUIRE(a.becomes(false));
  CHECK_FALSE(a.fence.open_until());
  CHECK(server.holder() == "a");
  a.connection.break_down(false);
  REQUIRE(a.becomes(true));
  CHECK(a.terms == 2);
}

TEST_CASE("the fence closes at the renew deadline even while a renewal hangs") {
  LeaseServer server;
  Candidate a(server, "a");
  a.start();
  REQUIRE(a.becomes(true));
  a.connection.hang(true);
  const auto until = a.fence.open_until();
  REQUIRE(until);
  CHECK(*until <= std::chrono::steady_clock::now() + kShort.renew_deadline);
  REQUIRE(a.becomes(false));
  CHECK_FALSE(a.fence.open_until());
  a.connection.hang(false);
}

TEST_CASE("a lease that somebody else has taken ends the work at once") {
  LeaseServer server;
  Candidate a(server, "a");
  a.start();
  REQUIRE(a.becomes(true));
  server.take("b");
  REQUIRE(a.becomes(false));
  CHECK_FALSE(a.fence.open_until());
  CHECK(server.holder() == "b");
}

TEST_CASE("a lease that was deleted is made anew by its leader") {
  LeaseServer server;
  Candidate a(server, "a");
  a.start();
  REQUIRE(a.becomes(true));
  server.remove();
  server.wait_until([&] { return server.holder() == "a"; });
  CHECK(a.terms == 1);
}

TEST_CASE("a change of the lease by somebody else costs one more look, not the lead") {
  LeaseServer server;
  Candidate a(server, "a");
  a.start();
  REQUIRE(a.becomes(true));
  server.touch();
  auto& slow = a.metrics.counter("leader_election_slowpath_total", "", {{"name", "lease"}});
  server.wait_until([&] { return slow.value() == 1; });
  CHECK(a.status() == 1);
  CHECK(a.terms == 1);
}

TEST_CASE("work that fails by itself ends the election with its error and frees the lease") {
  LeaseServer server;
  Candidate a(server, "a");
  a.work = [](std::stop_token) { return Result<void>(fail(ErrorCode::kInternal, "broken")); };
  a.start();
  a.thread.join();
  REQUIRE_FALSE(a.result);
  CHECK(a.result.error().message == "broken");
  CHECK(server.holder().empty());
}

TEST_CASE("work that goes on without a lease is told by fresh") {
  LeaseServer server;
  Candidate a(server, "a");
  std::stop_source finish;
  a.work = [&](std::stop_token) { return Candidate::wait(finish.get_token()); };
  a.start();
  REQUIRE(a.becomes(true));
  a.connection.break_down(true);
  server.wait_until([&] { return !a.election.fresh(); });
  finish.request_stop();
  REQUIRE(a.becomes(false));
  server.wait_until([&] { return a.election.fresh().has_value(); });
}
