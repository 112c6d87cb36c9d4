#include "common/stop.hpp"

#include <unistd.h>
#include <atomic>
#include <catch2/catch.hpp>
#include <csignal>

using namespace imageclassifier;

TEST_CASE("the first SIGTERM requests a stop and the second a fast one") {
  SignalStop stop;
  CHECK_FALSE(stop.token().stop_requested());
  kill(getpid(), SIGTERM);
  stop.wait();
  CHECK_FALSE(stop.fast_token().stop_requested());
  kill(getpid(), SIGTERM);
  while (!stop.fast_token().stop_requested()) std::atomic_thread_fence(std::memory_order_seq_cst);
}
