#include "operator/runtime/work_queue.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/support/fake_clock.hpp"

using namespace imageclassifier;
using namespace imageclassifier::runtime;
using namespace std::chrono_literals;
using Priority = WorkQueue::Priority;

namespace {

ObjectKey key(const std::string& name) {
  return {"ns", name};
}

struct Rig {
  testing::FakeClock clock;
  MetricsRegistry metrics;
  WorkQueue queue{{.name = "test"}, clock, metrics};

  /// A ready key, or nothing, without blocking.
  std::string next() {
    std::stop_source stopped;
    if (queue.size() == 0) {
      // A get() that is stopped at once still moves due keys to the ready ones: so wait for a waiter first.
      std::optional<WorkQueue::Item> item;
      std::jthread getter([&] { item = queue.get(stopped.get_token()); });
      clock.wait_for_waiters(1);
      stopped.request_stop();
      getter.join();
      return item ? item->key.name : "";
    }
    return queue.get({})->key.name;
  }

  /// Key "a" comes when `expected` is over, and not a millisecond before; it is done then.
  void check_that_a_waits(Duration expected) {
    clock.advance(expected - 1ms);
    queue.add(key("probe"));
    CHECK(next() == "probe");
    queue.done(key("probe"));
    clock.advance(1ms);
    CHECK(queue.get({})->key.name == "a");
    queue.done(key("a"));
  }
};

}  // namespace

TEST_CASE("the queue hands out keys in the order in which they were added") {
  Rig rig;
  rig.queue.add(key("a"));
  rig.queue.add(key("b"));
  CHECK(rig.next() == "a");
  CHECK(rig.next() == "b");
}

TEST_CASE("a key that is added twice is handed out once") {
  Rig rig;
  rig.queue.add(key("a"));
  rig.queue.add(key("a"));
  CHECK(rig.queue.size() == 1);
  CHECK(rig.next() == "a");
  CHECK(rig.queue.size() == 0);
}

TEST_CASE("a key that is added while it is being worked on comes again only after done") {
  Rig rig;
  rig.queue.add(key("a"));
  CHECK(rig.next() == "a");
  rig.queue.add(key("a"));
  rig.queue.add(key("a"));
  CHECK(rig.queue.size() == 0);
  rig.queue.done(key("a"));
  CHECK(rig.queue.size() == 1);
  CHECK(rig.next() == "a");
  rig.queue.done(key("a"));
  CHECK(rig.queue.size() == 0);
}

TEST_CASE("fresh keys come before background keys, and a fresh add lifts a waiting background key") {
  Rig rig;
  rig.queue.add(key("b1"), Priority::kBackground);
  rig.queue.add(key("b2"), Priority::kBackground);
  rig.queue.add(key("f"), Priority::kFresh);
  rig.queue.add(key("b2"), Priority::kFresh);
  rig.queue.add(key("f"), Priority::kBackground);
  CHECK(rig.next() == "f");
  CHECK(rig.next() == "b2");
  CHECK(rig.next() == "b1");
  CHECK(rig.queue.size() == 0);
}

TEST_CASE("an item says the priority that it had, the most urgent of all adds and delays") {
  Rig rig;
  rig.queue.add(key("b"), Priority::kBackground);
  CHECK(rig.queue.get({})->priority == Priority::kBackground);
  rig.queue.add_after(key("a"), 5s, Priority::kFresh);
  rig.queue.add(key("a"), Priority::kBackground);
  CHECK(rig.queue.get({})->priority == Priority::kFresh);
}

TEST_CASE("one background key has its turn after sixteen fresh ones, so that none waits for ever") {
  Rig rig;
  for (int i = 0; i < 3; ++i) rig.queue.add(key("b" + std::to_string(i)), Priority::kBackground);
  std::string order;
  for (int i = 0; i < 40; ++i) {
    rig.queue.add(key("f" + std::to_string(i)));
    order += rig.next()[0];
  }
  CHECK(order == std::string(16, 'f') + "b" + std::string(16, 'f') + "b" + std::string(6, 'f'));
}

TEST_CASE("a fresh edit is served before ten thousand keys of a resync") {
  Rig rig;
  for (int i = 0; i < 10'000; ++i) rig.queue.add(key("resync-" + std::to_string(i)), Priority::kBackground);
  CHECK(rig.next() == "resync-0");
  rig.queue.add(key("edit"));
  rig.queue.add(key("resync-9999"));
  CHECK(rig.next() == "edit");
  CHECK(rig.next() == "resync-9999");
  CHECK(rig.next() == "resync-1");
}

TEST_CASE("a key that waits for a worker is not delayed, and one that is added while delayed comes once") {
  Rig rig;
  rig.queue.add(key("a"));
  rig.queue.add_after(key("a"), 10s);
  CHECK(rig.next() == "a");
  rig.queue.add(key("a"));
  rig.queue.add_after(key("a"), 10s);
  rig.queue.done(key("a"));
  CHECK(rig.next() == "a");
  rig.queue.done(key("a"));
  rig.clock.advance(20s);
  rig.queue.add(key("end"));
  CHECK(rig.next() == "end");
  CHECK(rig.queue.size() == 0);
}

TEST_CASE("with a spacing a hundred adds in a burst are handed out once at the first and once after the last") {
  testing::FakeClock clock;
  MetricsRegistry metrics;
  WorkQueue queue({.name = "test", .spacing = 25ms}, clock, metrics);
  queue.add(key("a"));
  CHECK(queue.get({}));
  for (int i = 0; i < 50; ++i) queue.add(key("a"));
  queue.done(key("a"));
  CHECK(queue.size() == 0);
  for (int i = 0; i < 50; ++i) queue.add(key("a"));
  CHECK(queue.size() == 0);
  clock.advance(25ms);
  CHECK(queue.get({})->key.name == "a");
  queue.done(key("a"));
  CHECK(queue.size() == 0);
  clock.advance(25ms);
  queue.add(key("a"));
  CHECK(queue.size() == 1);
}

TEST_CASE("what is being worked on is measured when the metrics are read") {
  Rig rig;
  rig.queue.add(key("a"));
  CHECK(rig.next() == "a");
  rig.clock.advance(7s);
  CHECK_THAT(rig.metrics.text(),
             Catch::Contains("workqueue_longest_running_processor_seconds{controller=\"test\",name=\"test\"} 7"));
}

TEST_CASE("a delayed key comes when its time is there, the earliest of two delays wins") {
  Rig rig;
  rig.queue.add_after(key("a"), 10s);
  rig.queue.add_after(key("a"), 5s);
  rig.queue.add_after(key("a"), 20s);
  std::optional<WorkQueue::Item> got;
  std::jthread getter([&] { got = rig.queue.get({}); });
  rig.clock.wait_for_waiters(1);
  CHECK(rig.queue.size() == 0);
  rig.clock.advance(5s);
  getter.join();
  REQUIRE(got);
  CHECK(got->key.name == "a");
  rig.queue.done(got->key);
  rig.clock.advance(100s);
  rig.queue.add(key("b"));
  CHECK(rig.next() == "b");
  CHECK(rig.queue.size() == 0);
}

TEST_CASE("an add makes a delay void") {
  Rig rig;
  rig.queue.add_after(key("a"), 10s);
  rig.queue.add(key("a"));
  CHECK(rig.next() == "a");
  rig.queue.done(key("a"));
  rig.clock.advance(20s);
  rig.queue.add(key("b"));
  CHECK(rig.next() == "b");
  CHECK(rig.queue.size() == 0);
}

TEST_CASE("a new shorter delay wakes a worker that waits for a longer one") {
  Rig rig;
  rig.queue.add_after(key("a"), 1000s);
  std::optional<WorkQueue::Item> got;
  std::jthread getter([&] { got = rig.queue.get({}); });
  rig.clock.wait_for_waiters(1);
  rig.queue.add_after(key("b"), 1s);
  rig.clock.advance(1s);
  getter.join();
  REQUIRE(got);
  CHECK(got->key.name == "b");
}

TEST_CASE("the rate-limited delay doubles from 5 ms to 1000 s and begins anew after forget") {
  Rig rig;
  Duration expected = 5ms;
  for (int failures = 1; failures <= 25; ++failures) {
    rig.queue.add_rate_limited(key("a"));
    CHECK(rig.queue.failures(key("a")) == failures);
    rig.check_that_a_waits(expected);
    expected = std::min<Duration>(expected * 2, 1000s);
  }
  CHECK(expected == Duration(1000s));
  rig.queue.forget(key("a"));
  CHECK(rig.queue.failures(key("a")) == 0);
  rig.queue.add_rate_limited(key("a"));
  rig.clock.advance(5ms);
  CHECK(rig.queue.get({})->key.name == "a");
}

TEST_CASE(
    "a rate-limited key waits as long as the server asked for, if that is longer than its own delay and no longer than "
    "1000 s") {
  Rig rig;
  const auto waits = [&](Duration asked_for, Duration expected) {
    rig.queue.add_rate_limited(key("a"), WorkQueue::Priority::kFresh, asked_for);
    rig.check_that_a_waits(expected);
  };
  waits(7s, 7s);
  waits(2ms, 10ms);
  waits(3600s, 1000s);
}

TEST_CASE("a key that was edited while its server refused it waits as long as the server asked, at most ten seconds") {
  Rig rig;
  const auto waits = [&](Duration asked_for, Duration expected) {
    rig.queue.add(key("a"));
    CHECK(rig.queue.get({})->key.name == "a");
    rig.queue.add(key("a"));  // while it is worked on
    rig.queue.add_rate_limited(key("a"), WorkQueue::Priority::kFresh, asked_for);
    rig.queue.done(key("a"));
    rig.queue.add(key("a"));
    rig.check_that_a_waits(expected);
    rig.queue.forget(key("a"));
  };
  waits(1s, 1s);
  waits(600s, 10s);
}

TEST_CASE("shutdown hands out what is ready, drops what is delayed and refuses what is new") {
  Rig rig;
  rig.queue.add(key("a"));
  rig.queue.add_after(key("later"), 1s);
  rig.queue.shutdown();
  rig.queue.add(key("b"));
  rig.clock.advance(10s);
  CHECK(rig.queue.get({})->key.name == "a");
  CHECK_FALSE(rig.queue.get({}));
  CHECK(rig.queue.is_shut_down());
}

TEST_CASE("a stop or a shutdown wakes a blocked worker") {
  Rig rig;
  std::stop_source stop;
  std::jthread stopped([&] { CHECK_FALSE(rig.queue.get(stop.get_token())); });
  std::jthread drained([&] { CHECK_FALSE(rig.queue.get({})); });
  rig.clock.wait_for_waiters(2);
  stop.request_stop();
  stopped.join();
  rig.queue.shutdown();
}

TEST_CASE("never two workers on one key, and nothing that is added gets lost") {
  SystemClock clock;
  MetricsRegistry metrics;
  WorkQueue queue({.name = "hammer"}, clock, metrics);
  constexpr int kKeys = 5, kAdders = 4, kAdds = 500;
  std::array<std::atomic<int>, kKeys> wanted{}, seen{}, inside{};
  std::atomic<bool> overlap{false};
  {
    std::vector<std::jthread> workers;
    for (int i = 0; i < 8; ++i) {
      workers.emplace_back([&] {
        while (const auto got = queue.get({})) {
          const auto n = static_cast<std::size_t>(std::stoi(got->key.name));
          if (inside[n].fetch_add(1) != 0) overlap = true;
          seen[n] = wanted[n].load();
          inside[n].fetch_sub(1);
          queue.done(got->key);
        }
      });
    }
    {
      std::vector<std::jthread> adders;
      for (int i = 0; i < kAdders; ++i) {
        adders.emplace_back([&] {
          for (int j = 0; j < kAdds; ++j) {
            const auto n = static_cast<std::size_t>(j % kKeys);
            wanted[n].fetch_add(1);
            queue.add(key(std::to_string(n)));
          }
        });
      }
    }
    queue.shutdown();
  }
  CHECK_FALSE(overlap);
  for (std::size_t n = 0; n < kKeys; ++n) CHECK(seen[n] == wanted[n]);
}

TEST_CASE("the queue's metrics have the names that dashboards know and count") {
  Rig rig;
  rig.queue.add(key("a"));
  rig.queue.add(key("a"));
  rig.queue.add_rate_limited(key("b"));
  const std::string text = rig.metrics.text();
  CHECK_THAT(text, Catch::Contains("workqueue_depth{controller=\"test\",name=\"test\",priority=\"0\"} 1"));
  CHECK_THAT(text, Catch::Contains("workqueue_adds_total{controller=\"test\",name=\"test\"} 1"));
  CHECK_THAT(text, Catch::Contains("workqueue_retries_total{controller=\"test\",name=\"test\"} 1"));
  CHECK_THAT(text, Catch::Contains("workqueue_depth{controller=\"test\",name=\"test\",priority=\"-100\"} 0"));
  for (const char* name : {"workqueue_queue_duration_seconds_count", "workqueue_work_duration_seconds_count",
                           "workqueue_unfinished_work_seconds", "workqueue_longest_running_processor_seconds"}) {
    CHECK_THAT(text, Catch::Contains(std::string(name) + "{controller=\"test\",name=\"test\"} 0"));
  }
}
