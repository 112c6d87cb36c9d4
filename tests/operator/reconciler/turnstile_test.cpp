#include "operator/reconciler/turnstile.hpp"

#include <catch2/catch.hpp>
#include <vector>

#include "tests/support/fake_clock.hpp"

using namespace imageclassifier;
using reconciler::Turnstile;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

struct Gate {
  testing::FakeClock clock;
  Turnstile<std::string> turnstile{{}, clock};

  /// How many are let through one after the other.
  int through(const std::string& server, const std::string& credential, int wanted) {
    int count = 0;
    while (count < wanted && turnstile.enter(server, credential).pass) ++count;
    return count;
  }
};

}  // namespace

TEST_CASE("ten pass at once, then five a second, of each server, and who is turned away is told when to come back") {
  Gate gate;
  CHECK(gate.through("a", "x", 20) == 10);
  CHECK(gate.through("b", "x", 20) == 10);
  CHECK(gate.turnstile.enter("a", "x").wait > milliseconds(200));
  gate.clock.advance(seconds(1));
  CHECK(gate.through("a", "y", 20) == 5);
  const auto first = gate.turnstile.enter("a", "x"), second = gate.turnstile.enter("a", "x");
  CHECK_FALSE(first.why);
  CHECK(second.wait > first.wait);
}

TEST_CASE("four are under way at once, for as long as they take") {
  Gate gate;
  {
    std::vector<Turnstile<std::string>::Answer> under_way;
    for (int i = 0; i < 4; ++i) under_way.push_back(gate.turnstile.enter("a", "x"));
    CHECK(under_way.back().pass);
    CHECK_FALSE(gate.turnstile.enter("a", "y").pass);
    CHECK(gate.turnstile.enter("b", "y").pass);
  }
  CHECK(gate.turnstile.enter("a", "y").pass);
}

TEST_CASE("a server is closed to everybody, or to one credential and half open to others") {
  Gate gate;
  gate.turnstile.close("a", "silent", seconds(10));
  const auto closed = gate.turnstile.enter("a", "y");
  CHECK_FALSE(closed.pass);
  CHECK(closed.why == "silent");
  CHECK(closed.wait == seconds(10));
  CHECK(gate.turnstile.enter("b", "y").pass);
  gate.clock.advance(seconds(11));
  CHECK(gate.turnstile.enter("a", "y").pass);
  gate.turnstile.close_to("a", "x", "throttled", seconds(60));
  CHECK(gate.turnstile.enter("a", "x").why == "throttled");
  gate.clock.advance(seconds(2));
  CHECK(gate.through("a", "y", 20) == 1);
  gate.clock.advance(milliseconds(401));
  CHECK(gate.through("a", "z", 20) == 1);
  CHECK(gate.turnstile.enter("a", "x").why == "throttled");
  gate.clock.advance(seconds(60));
  CHECK(gate.through("a", "x", 20) == 10);
}

TEST_CASE("what was asked before leaves half of a burst to what is new") {
  Gate gate;
  for (int i = 0; i < 5; ++i) CHECK(gate.turnstile.enter("a", "x", true).pass);
  CHECK_FALSE(gate.turnstile.enter("a", "x", true).pass);
  for (int i = 0; i < 5; ++i) CHECK(gate.turnstile.enter("a", "x").pass);
  CHECK_FALSE(gate.turnstile.enter("a", "x").pass);
}
