#include "inference-server/batching/return_times.hpp"

#include <catch2/catch.hpp>
#include <map>

using namespace imageclassifier;
using namespace imageclassifier::batching;
using namespace std::chrono_literals;

namespace {

constexpr SteadyTime kStart{1h};

/// A queue of 64 places in front of a service that takes `each` for an item, in virtual time; everybody who is refused
/// comes back when told to, in whole seconds as Retry-After has them.
struct Shop {
  explicit Shop(Duration time) : each(time) {}

  /// How many of `clients`, who come at once, are served by their first, second, third... try.
  std::map<int, int> serve(int clients) {
    std::map<int, int> served;
    std::multimap<SteadyTime, int> coming;  // and for the how-manieth time
    for (int i = 0; i < clients; ++i) coming.emplace(kStart, 1);
    SteadyTime free = kStart;
    while (!coming.empty()) {
      const auto [now, attempt] = *coming.begin();
      coming.erase(coming.begin());
      free = std::max(free, now);
      const Duration queue = free - now;
      if (queue < 64 * each) {
        free += each;
        ++served[attempt];
      } else {
        const Duration stay = times.next(1, queue, apart, now);
        coming.emplace(now + std::chrono::ceil<std::chrono::seconds>(stay), attempt + 1);
      }
    }
    end = free;
    return served;
  }

  Duration each;
  Duration apart = std::max(each, Duration(1s) / 64);  // no more in a second than there are places
  ReturnTimes times;
  SteadyTime end{};
};

}  // namespace

TEST_CASE("a crowd of five hundred is served by the second try, without a pause of the service") {
  for (const Duration each : {10ms, 50ms, 100ms}) {
    Shop shop(each);
    CHECK(shop.serve(500) == std::map<int, int>{{1, 64}, {2, 436}});
    CHECK(shop.end - kStart <= 500 * shop.apart + 2s);
  }
}

TEST_CASE("nobody is sent further away than eight times what the queue takes, or a minute") {
  ReturnTimes times;
  Duration longest{};
  for (int i = 0; i < 10'000; ++i) longest = std::max(longest, times.next(1, 2s, 100ms, kStart));
  CHECK(longest == 16s);
  ReturnTimes fast;
  Duration most{};
  for (int i = 0; i < 10'000; ++i) most = std::max(most, fast.next(1, 10ms, 10ms, kStart));
  CHECK(most == 8s);
  ReturnTimes slow;
  for (int i = 0; i < 10'000; ++i) longest = std::max(longest, slow.next(1, 30s, 1s, kStart));
  CHECK(longest == 60s);
  CHECK(slow.next(1, 90s, 1s, kStart) == 60s);
}

TEST_CASE("times that were given away pass with the clock, and many items take longer than one") {
  ReturnTimes times;
  CHECK(times.next(1, 2s, 1s, kStart) == 2s);
  CHECK(times.next(3, 2s, 1s, kStart) == 3s);
  CHECK(times.next(1, 2s, 1s, kStart) == 6s);
  CHECK(times.next(1, 2s, 1s, kStart + 4s) == 3s);
  CHECK(times.next(1, 2s, 1s, kStart + 1h) == 2s);
}

TEST_CASE("before anything is measured there is nothing to wait for") {
  ReturnTimes times;
  CHECK(times.next(1, 0s, 0s, kStart) == 0s);
}
