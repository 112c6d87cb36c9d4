#include "inference-server/app/thread_check.hpp"

#include <catch2/catch.hpp>

using imageclassifier::app::oversubscribes;

TEST_CASE("more threads than cores are noticed, whoever asks for them") {
  CHECK_FALSE(oversubscribes(4, nullptr, 4));
  CHECK(oversubscribes(5, nullptr, 4));
  CHECK_FALSE(oversubscribes(2, "4", 4));
  CHECK(oversubscribes(2, "8", 4));
  CHECK(oversubscribes(2, "8,1", 4));
  CHECK_FALSE(oversubscribes(2, "", 4));
  CHECK_FALSE(oversubscribes(2, "many", 4));
}
