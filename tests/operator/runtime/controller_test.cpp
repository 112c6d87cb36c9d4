#include "operator/runtime/controller.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "common/clock.hpp"
#include "tests/support/fake_clock.hpp"

using namespace imageclassifier;
using namespace imageclassifier::runtime;
using namespace std::chrono_literals;

namespace {

struct Rig {
  SystemClock clock;
  MetricsRegistry metrics;
  WorkQueue queue{{.name = "test"}, clock, metrics};
  const ObjectKey key{"ns", "pets"};

  /// Runs until `reconcile` has been called `calls` times (1-based count given to it), then stops.
  void run(int calls, const std::function<Outcome(int)>& reconcile) {
    std::stop_source stop;
    int count = 0;
    Controller controller(
        {.name = "test", .workers = 1}, queue,
        [&](const ObjectKey&, std::stop_token) {
          const Outcome outcome = reconcile(++count);
          if (count == calls) stop.request_stop();
          return outcome;
        },
        clock, metrics);
    queue.add(key);
    REQUIRE(controller.run(stop.get_token()));
    CHECK(count == calls);
  }
  double total(const std::string& result) {
    return metrics.counter("controller_runtime_reconcile_total", "", {{"controller", "test"}, {"result", result}})
        .value();
  }
  double counter(const std::string& name) { return metrics.counter(name, "", {{"controller", "test"}}).value(); }
};

}  // namespace

TEST_CASE("a success is counted and forgets the failures before") {
  Rig rig;
  rig.run(2, [](int count) {
    return count == 1 ? Outcome::retry(Error(ErrorCode::kUnavailable, "no")) : Outcome::success();
  });
  CHECK(rig.total("success") == 1);
  CHECK(rig.total("error") == 1);
  CHECK(rig.queue.failures(rig.key) == 0);
}

TEST_CASE("an error is retried with back-off") {
  Rig rig;
  rig.run(3, [](int) { return Outcome::retry(Error(ErrorCode::kUnavailable, "no")); });
  CHECK(rig.counter("controller_runtime_reconcile_errors_total") == 3);
  CHECK(rig.queue.failures(rig.key) == 3);
}

TEST_CASE("a terminal error is not retried") {
  Rig rig;
  rig.run(1, [](int) { return Outcome::terminal(Error(ErrorCode::kInvalidArgument, "no")); });
  CHECK(rig.counter("controller_runtime_terminal_reconcile_errors_total") == 1);
  CHECK(rig.queue.failures(rig.key) == 0);
}

TEST_CASE("a requeue comes again after its delay") {
  Rig rig;
  rig.run(2, [](int) { return Outcome::requeue_after(1ms); });
  CHECK(rig.total("requeue_after") == 2);
}

TEST_CASE("an exception is caught, counted as a panic and retried") {
  Rig rig;
  rig.run(3, [](int count) -> Outcome {
    if (count == 1) throw std::runtime_error("bang");
    if (count == 2) throw 42;
    return Outcome::success();
  });
  CHECK(rig.counter("controller_runtime_reconcile_panics_total") == 2);
  CHECK(rig.total("success") == 1);
}

TEST_CASE("no reconcile starts before the caches are filled, and a cache that never fills is an error") {
  testing::FakeClock clock(true);
  MetricsRegistry metrics;
  WorkQueue queue({.name = "test"}, clock, metrics);
  queue.add({"ns", "pets"});
  bool reconciled = false;
  Controller controller(
      {.name = "test", .wait_for = {[] { return true; }, [] { return false; }}}, queue,
      [&](const ObjectKey&, std::stop_token) {
        reconciled = true;
        return Outcome::success();
      },
      clock, metrics);
  const auto ran = controller.run({});
  REQUIRE_FALSE(ran);
  CHECK(ran.error().code == ErrorCode::kDeadlineExceeded);
  CHECK_FALSE(reconciled);
}

TEST_CASE("several keys are worked on at once, up to the number of workers") {
  Rig rig;
  std::stop_source stop;
  std::mutex mutex;
  std::condition_variable all_inside;
  int inside = 0;
  Controller controller(
      {.name = "test", .workers = 3}, rig.queue,
      [&](const ObjectKey&, std::stop_token) {
        std::unique_lock lock(mutex);
        ++inside;
        all_inside.notify_all();
        all_inside.wait(lock, [&] { return inside == 3; });
        stop.request_stop();
        return Outcome::success();
      },
      rig.clock, rig.metrics);
  for (const char* name : {"a", "b", "c"}) rig.queue.add({"ns", name});
  CHECK(controller.run(stop.get_token()));
  CHECK(inside == 3);
  CHECK(controller.active_workers() == 0);
  CHECK(rig.queue.is_shut_down());
}

TEST_CASE("every series of the controller exists at zero from the start") {
  Rig rig;
  const Controller controller({.name = "test"}, rig.queue, {}, rig.clock, rig.metrics);
  const std::string text = rig.metrics.text();
  for (const char* result : {"success", "error", "requeue", "requeue_after"}) {
    CHECK_THAT(text, Catch::Contains("controller_runtime_reconcile_total{controller=\"test\",result=\"" +
                                     std::string(result) + "\"} 0"));
  }
  CHECK_THAT(text, Catch::Contains("controller_runtime_active_workers{controller=\"test\"} 0"));
}
