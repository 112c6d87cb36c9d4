#include "operator/runtime/controller.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "common/clock.hpp"
#include "common/log.hpp"
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
        {.name = "test", .kind = "Thing", .workers = 1}, queue,
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

TEST_CASE("a server that asked to be left alone is asked again after the time it named") {
  Rig rig;
  SteadyTime refused;
  Duration waited{};
  rig.run(2, [&](int count) {
    if (count == 2) waited = rig.clock.steady_now() - refused;
    if (count == 2) return Outcome::success();
    refused = rig.clock.steady_now();
    Error error(ErrorCode::kExhausted, "too many requests");
    error.retry_after = 1s;
    return Outcome::retry(Error(ErrorCode::kExhausted, "writing failed", std::move(error)));
  });
  CHECK(waited >= 1s);
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
}

TEST_CASE("a reconcile that looked at nothing is not counted and changes no back-off") {
  Rig rig;
  rig.run(3, [](int count) {
    if (count == 1) return Outcome::retry(Error(ErrorCode::kUnavailable, "no"));
    return Outcome::not_yet(1ms);
  });
  CHECK(rig.queue.failures(rig.key) == 1);
  for (const char* result : {"success", "requeue", "requeue_after"}) CHECK(rig.total(result) == 0);
}

TEST_CASE("a conflict begins anew with back-off and is no error") {
  Rig rig;
  rig.run(2, [](int) { return Outcome::requeue(Error(ErrorCode::kConflict, "changed in between")); });
  CHECK(rig.total("requeue") == 2);
  CHECK(rig.counter("controller_runtime_reconcile_errors_total") == 0);
  CHECK(rig.queue.failures(rig.key) == 2);
}

TEST_CASE("a reconcile that takes too long is stopped, counted and retried") {
  Rig rig;
  std::stop_source stop;
  Controller controller(
      {.name = "test", .workers = 1, .reconcile_timeout = 20ms}, rig.queue,
      [&, calls = 0](const ObjectKey&, std::stop_token reconcile_stop) mutable {
        if (++calls == 2) {
          stop.request_stop();
          return Outcome::success();
        }
        CHECK_FALSE(rig.clock.sleep_for(1min, reconcile_stop));
        return Outcome::retry(Error(ErrorCode::kCancelled, "stopped"));
      },
      rig.clock, rig.metrics);
  rig.queue.add(rig.key);
  REQUIRE(controller.run(stop.get_token()));
  CHECK(rig.counter("controller_runtime_reconcile_timeouts_total") == 1);
  CHECK(rig.counter("controller_runtime_reconcile_errors_total") == 1);
  CHECK(rig.total("success") == 1);
}

TEST_CASE("a stop lets a reconcile end, and requests its stop when the drain is over") {
  Rig rig;
  std::stop_source stop;
  const Duration drain = GENERATE(Duration(1min), Duration(1ms));
  bool finished = false;
  Controller controller(
      {.name = "test", .workers = 1, .drain = drain}, rig.queue,
      [&](const ObjectKey&, std::stop_token reconcile_stop) {
        stop.request_stop();
        finished = rig.clock.sleep_for(drain > 1s ? Duration(20ms) : Duration(1min), reconcile_stop);
        return finished ? Outcome::success() : Outcome::retry(Error(ErrorCode::kCancelled, "stopped"));
      },
      rig.clock, rig.metrics);
  rig.queue.add(rig.key);
  REQUIRE(controller.run(stop.get_token()));
  CHECK(finished == (drain > 1s));
  CHECK(rig.counter("controller_runtime_reconcile_errors_total") == 0);
  CHECK(rig.queue.size() == (finished ? 0U : 1U));
}

TEST_CASE("a controller can run again, with what waited in between and with every key of the cache") {
  Rig rig;
  std::stop_source stop;
  std::vector<std::string> seen;
  Controller controller(
      {.name = "test",
       .workers = 1,
       .all_keys =
           [] {
             return std::vector<ObjectKey>{{"ns", "a"}, {"ns", "b"}};
           }},
      rig.queue,
      [&](const ObjectKey& key, std::stop_token) {
        seen.push_back(key.name);
        if (seen.size() % 3 == 0) stop.request_stop();
        return Outcome::success();
      },
      rig.clock, rig.metrics);
  rig.queue.add({"ns", "edit"});
  REQUIRE(controller.run(stop.get_token()));
  rig.queue.add({"ns", "between"});
  stop = std::stop_source();
  REQUIRE(controller.run(stop.get_token()));
  CHECK(seen == std::vector<std::string>{"edit", "a", "b", "between", "a", "b"});
}

TEST_CASE("a resync brings every key of the cache again, at background priority") {
  testing::FakeClock clock;
  MetricsRegistry metrics;
  WorkQueue queue({.name = "test"}, clock, metrics);
  std::atomic<int> asked{0};
  Controller controller(
      {.name = "test",
       .workers = 1,
       .all_keys =
           [&] {
             ++asked;
             return std::vector<ObjectKey>{};
           }},
      queue, [](const ObjectKey&, std::stop_token) { return Outcome::success(); }, clock, metrics);
  std::jthread runner([&](std::stop_token stop) { CHECK(controller.run(stop)); });
  clock.wait_for_waiters(2);
  CHECK(asked == 1);
  clock.advance(9h - 1s);
  queue.add({"ns", "a"});  // once it is handed out the waiting thread had its time, too
  while (queue.size() != 0) std::this_thread::yield();
  CHECK(asked == 1);
  clock.advance(2h + 1s);
  while (asked == 1) std::this_thread::yield();
  CHECK(asked == 2);
}

TEST_CASE("a reconcile that ignores its stop makes the check of the workers fail, with key and time") {
  testing::FakeClock clock;
  MetricsRegistry metrics;
  WorkQueue queue({.name = "test"}, clock, metrics);
  std::atomic<bool> inside{false}, leave{false};
  Controller controller(
      {.name = "test", .workers = 1}, queue,
      [&](const ObjectKey&, std::stop_token) {
        inside = true;
        inside.notify_all();
        leave.wait(false);
        return Outcome::success();
      },
      clock, metrics);
  queue.add({"ns", "pets"});
  std::jthread runner([&](std::stop_token stop) { CHECK(controller.run(stop)); });
  inside.wait(false);
  CHECK(controller.check_workers());
  clock.advance(5min);
  const auto checked = controller.check_workers();
  REQUIRE_FALSE(checked);
  CHECK_THAT(checked.error().message, Catch::Contains("ns/pets runs for 300 s"));
  leave = true;
  leave.notify_all();
}

TEST_CASE("lines of a reconcile carry controller, a fresh reconcile id and the object; lines of other threads do not") {
  Rig rig;
  std::vector<std::string> lines;
  rig.run(2, [&](int) {
    lines.push_back(log::format_line("Inside", {}));
    std::jthread([&] { lines.push_back(log::format_line("Beside", {})); }).join();
    return Outcome::requeue_after(1ms);
  });
  CHECK_THAT(lines[0],
             Catch::Matches("\"message\":\"Inside\",\"controller\":\"test\",\"reconcileID\":\"[0-9a-f-]{36}\","
                            "\"object\":\\{\"kind\":\"Thing\",\"namespace\":\"ns\",\"name\":\"pets\"\\}"));
  CHECK(lines[1] == "\"message\":\"Beside\"");
  CHECK(lines[2] != lines[0]);
  CHECK(log::format_line("After", {}) == "\"message\":\"After\"");
}

TEST_CASE("eight workers that are hammered with one key never work on it twice at a time and miss no change") {
  Rig rig;
  std::stop_source stop;
  std::atomic<int> wanted{0}, seen{0}, inside{0};
  std::atomic<bool> overlap{false};
  constexpr int kAdders = 4, kAdds = 2000;
  Controller controller(
      {.name = "test", .workers = 8}, rig.queue,
      [&](const ObjectKey&, std::stop_token) {
        if (inside.fetch_add(1) != 0) overlap = true;
        seen = wanted.load();
        inside.fetch_sub(1);
        if (seen == kAdders * kAdds) stop.request_stop();
        return seen % 3 == 0 ? Outcome::requeue_after(0ms) : Outcome::success();
      },
      rig.clock, rig.metrics);
  std::vector<std::jthread> adders;
  for (int i = 0; i < kAdders; ++i) {
    adders.emplace_back([&] {
      for (int j = 0; j < kAdds; ++j) {
        wanted.fetch_add(1);
        rig.queue.add(rig.key, j % 2 == 0 ? WorkQueue::Priority::kFresh : WorkQueue::Priority::kBackground);
      }
    });
  }
  REQUIRE(controller.run(stop.get_token()));
  CHECK_FALSE(overlap);
  CHECK(seen == kAdders * kAdds);
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
