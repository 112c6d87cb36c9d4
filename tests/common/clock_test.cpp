#include "common/clock.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

using namespace imageclassifier;
using namespace std::chrono_literals;

TEST_CASE("RFC 3339 times are UTC with whole seconds") {
  CHECK(format_rfc3339(WallTime{1769847301s + 999ms}) == "2026-01-31T08:15:01Z");
  CHECK(format_rfc3339(WallTime{}) == "1970-01-01T00:00:00Z");
}

TEST_CASE("micro times have exactly six fraction digits") {
  CHECK(format_rfc3339_micro(WallTime{1769847301s}) == "2026-01-31T08:15:01.000000Z");
  CHECK(format_rfc3339_micro(WallTime{1769847301s + 42us}) == "2026-01-31T08:15:01.000042Z");
}

TEST_CASE("a stop ends a long sleep at once and the sleep says so") {
  SystemClock clock;
  bool finished = true;
  {
    std::jthread sleeper([&](std::stop_token stop) { finished = clock.sleep_for(1h, stop); });
    sleeper.request_stop();
  }
  CHECK_FALSE(finished);
  CHECK(clock.sleep_for(1ms, {}));
}
