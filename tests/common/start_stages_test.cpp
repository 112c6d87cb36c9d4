#include "common/start_stages.hpp"

#include <catch2/catch.hpp>

#include "tests/support/fake_clock.hpp"

using namespace imageclassifier;
using namespace std::chrono_literals;

TEST_CASE(
    "stages are kept in the order of their beginnings, with times since the program began, also when they overlap") {
  testing::FakeClock clock;
  StartStages stages(clock, 50ms);
  {
    auto outer = stages.begin("digest");
    clock.advance(100ms);
    {
      const auto inner = stages.begin("build");
      clock.advance(200ms);
      CHECK_FALSE(stages.get().at(1).took);
    }
    const auto moved = std::move(outer);
    clock.advance(10ms);
    CHECK_FALSE(stages.get().at(0).took);
  }
  const auto all = stages.get();
  REQUIRE(all.size() == 2);
  CHECK(all[0].name == "digest");
  CHECK(all[0].begin == 50ms);
  CHECK(all[0].took == 310ms);
  CHECK(all[1].begin == 150ms);
  CHECK(all[1].took == 200ms);
  CHECK(stages.since_start() == 360ms);
}

TEST_CASE("without stages nothing is noted") {
  const auto running = StartStages::begin(nullptr, "build");
}
