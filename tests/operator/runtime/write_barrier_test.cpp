#include "operator/runtime/write_barrier.hpp"

#include <catch2/catch.hpp>
#include <map>

#include "tests/support/fake_clock.hpp"

using namespace imageclassifier;
using namespace imageclassifier::runtime;
using namespace std::chrono_literals;
using Gate = WriteBarrier::Gate;

TEST_CASE("resource versions are compared as decimal numbers of any length") {
  CHECK(compare_resource_versions("9", "10") < 0);
  CHECK(compare_resource_versions("10", "9") > 0);
  CHECK(compare_resource_versions("010", "10") == 0);
  CHECK(compare_resource_versions("99999999999999999999999998", "99999999999999999999999999") < 0);
  CHECK(compare_resource_versions("0", "0") == 0);
}

TEST_CASE("of resource versions that are no numbers only equality is known") {
  CHECK(compare_resource_versions("a", "a") == 0);
  CHECK(compare_resource_versions("a", "1") != 0);
  CHECK(compare_resource_versions("", "1") != 0);
}

TEST_CASE("the barrier is closed until every cache has seen what was written for the key") {
  testing::FakeClock clock;
  std::map<std::string, std::string, std::less<>> caches{{"deployments", "10"}, {"services", ""}};
  WriteBarrier barrier(
      {}, [&](std::string_view kind) { return caches.find(kind)->second; }, clock);
  const ObjectKey owner{"ns", "pets"};
  CHECK(barrier.check(owner).gate == Gate::kOpen);
  barrier.record(owner, "deployments", "12");
  barrier.record(owner, "deployments", "11");
  barrier.record(owner, "services", "13");
  CHECK(barrier.check(owner).gate == Gate::kClosed);
  CHECK(barrier.check({"ns", "other"}).gate == Gate::kOpen);
  caches["deployments"] = "12";
  CHECK(barrier.check(owner).gate == Gate::kClosed);
  caches["services"] = "100";
  CHECK(barrier.check(owner).gate == Gate::kOpen);
  caches["services"] = "";
  CHECK(barrier.check(owner).gate == Gate::kOpen);
}

TEST_CASE("after the time-out live reads are asked for, until the caches have caught up") {
  testing::FakeClock clock;
  std::string seen = "1";
  WriteBarrier barrier(
      {.timeout = 10s}, [&](std::string_view) { return seen; }, clock);
  const ObjectKey owner{"ns", "pets"};
  barrier.record(owner, "deployments", "2");
  clock.advance(9s);
  CHECK(barrier.check(owner).gate == Gate::kClosed);
  clock.advance(1s);
  CHECK(barrier.check(owner).gate == Gate::kTimedOut);
  barrier.record(owner, "deployments", "3");
  CHECK(barrier.check(owner).gate == Gate::kTimedOut);
  seen = "3";
  CHECK(barrier.check(owner).gate == Gate::kOpen);
  barrier.record(owner, "deployments", "4");
  CHECK(barrier.check(owner).gate == Gate::kClosed);
}

TEST_CASE("a closed barrier is looked at ever more seldom, and soon again after another write") {
  testing::FakeClock clock;
  WriteBarrier barrier(
      {}, [](std::string_view) { return std::string("1"); }, clock);
  const ObjectKey owner{"ns", "pets"};
  barrier.record(owner, "deployments", "2");
  CHECK(barrier.check(owner).look_again == 20ms);
  CHECK(barrier.check(owner).look_again == 40ms);
  for (int i = 0; i < 10; ++i) barrier.check(owner);
  CHECK(barrier.check(owner).look_again == 1s);
  barrier.record(owner, "deployments", "3");
  CHECK(barrier.check(owner).look_again == 20ms);
}

TEST_CASE("a forgotten owner is held back by nothing") {
  testing::FakeClock clock;
  WriteBarrier barrier(
      {}, [](std::string_view) { return std::string(); }, clock);
  barrier.record({"ns", "pets"}, "deployments", "2");
  barrier.forget({"ns", "pets"});
  CHECK(barrier.check({"ns", "pets"}).gate == Gate::kOpen);
}
