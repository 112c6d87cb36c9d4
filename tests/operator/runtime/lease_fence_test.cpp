#include "operator/runtime/lease_fence.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>

#include "tests/support/fake_clock.hpp"

using namespace imageclassifier;
using namespace imageclassifier::runtime;
using namespace std::chrono_literals;

namespace {

/// How a child process ends that calls `what` and then waits to be stopped or ended.
int end_of(const std::function<void(LeaseFence&, SteadyTime now)>& what, bool frozen) {
  const pid_t child = fork();
  if (child == 0) {
    SystemClock clock;
    LeaseFence fence({50ms, true}, clock);
    what(fence, clock.steady_now());
    if (frozen) raise(SIGSTOP);
    clock.sleep_for(300ms, {});
    _exit(0);
  }
  int status = 0;
  if (frozen) waitpid(child, &status, WUNTRACED);
  // Without SIGCONT: who is frozen ends by the timer or never.
  if (frozen) {
    SystemClock().sleep_for(500ms, {});
    if (waitpid(child, &status, WNOHANG) == 0) {
      kill(child, SIGCONT);
      waitpid(child, &status, 0);
    }
  } else {
    waitpid(child, &status, 0);
  }
  return status;
}

}  // namespace

TEST_CASE("a fence is closed at first, open until the time it was told, and closed at once when told") {
  testing::FakeClock clock;
  LeaseFence fence({}, clock);
  CHECK_FALSE(fence.enter());
  const SteadyTime until = clock.steady_now() + 10s;
  fence.open(until);
  CHECK(fence.open_until() == until);
  REQUIRE(fence.enter() == until);
  fence.leave();
  clock.advance(10s);
  CHECK_FALSE(fence.enter());
  CHECK_FALSE(fence.open_until());
  fence.open(until + 10s);
  CHECK(fence.open_until());
  fence.close();
  CHECK_FALSE(fence.enter());
}

TEST_CASE("a process that is frozen in the middle of a write is ended by the kernel, without being thawed") {
  const int status = end_of([](LeaseFence& fence, SteadyTime now) { fence.open(now + 100ms), fence.enter(); }, true);
  REQUIRE(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGKILL);
}

TEST_CASE("a process that is frozen between its writes lives on") {
  const auto between = [](LeaseFence& fence, SteadyTime now) {
    fence.open(now + 100ms);
    fence.enter();
    fence.enter();
    fence.leave();
    fence.leave();
  };
  CHECK(end_of(between, true) == 0);
  CHECK(end_of([](LeaseFence& fence, SteadyTime now) { fence.open(now - 1h), fence.enter(); }, false) == 0);
}

TEST_CASE("a renewal moves the end of a process with a write under way") {
  const auto renewed = [](LeaseFence& fence, SteadyTime now) {
    fence.open(now + 100ms);
    fence.enter();
    fence.open(now + 10s);
    fence.enter();
  };
  CHECK(end_of(renewed, false) == 0);
}
