#include "inference-server/batching/decode_pool.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <mutex>

#include "tests/support/fake_clock.hpp"

using namespace imageclassifier;
using namespace imageclassifier::batching;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t kSmall = 100'000;
constexpr std::uint64_t kLarge = 12'000'000;

/// Keeps threads of a pool at work until it is opened.
class Gate {
 public:
  std::function<void()> work() {
    return [this] {
      entered_.fetch_add(1);
      opened_.wait(false);
    };
  }
  void open() {
    opened_ = true;
    opened_.notify_all();
  }
  void wait_for(int count) const {
    while (entered_ < count) std::this_thread::yield();
  }
  int entered() const { return entered_; }

 private:
  std::atomic<int> entered_{0};
  std::atomic<bool> opened_{false};
};

/// The order in which jobs were done.
struct Order {
  std::mutex mutex;
  std::vector<std::string> names;

  std::function<void()> work(const std::string& name) {
    return [this, name] {
      const std::lock_guard hold(mutex);
      names.push_back(name);
    };
  }
};

}  // namespace

TEST_CASE("a small picture goes before a large one that came shortly before, not long before") {
  imageclassifier::testing::FakeClock clock;
  Gate gate;
  Order order;
  {
    DecodePool pool({.threads = 2, .patience = 4ns}, clock);
    for (int i = 0; i < 2; ++i) pool.submit({kSmall, Priority::kNormal, gate.work()});
    gate.wait_for(2);
    Gate second;  // one of the two threads stays held: the other one shows the order
    pool.submit({kSmall, Priority::kHigh, second.work()});
    pool.submit({kLarge, Priority::kNormal, order.work("large")});
    clock.advance(40ms);
    pool.submit({kSmall, Priority::kNormal, order.work("shortly after")});
    clock.advance(10ms);
    pool.submit({kSmall, Priority::kNormal, order.work("long after")});
    pool.submit({kSmall, Priority::kHigh, order.work("urgent")});
    gate.open();
    second.wait_for(1);
    auto done = std::make_shared<std::promise<void>>();
    clock.advance(1h);
    pool.submit({kSmall, Priority::kNormal, [done] { done->set_value(); }});
    done->get_future().wait();
    second.open();
  }
  CHECK(order.names == std::vector<std::string>{"urgent", "shortly after", "large", "long after"});
}

TEST_CASE("large pictures leave a thread to small ones") {
  imageclassifier::testing::FakeClock clock;
  Gate gate;
  DecodePool pool({.threads = 3}, clock);
  for (int i = 0; i < 5; ++i) pool.submit({kLarge, Priority::kNormal, gate.work()});
  gate.wait_for(2);
  std::promise<void> small;
  pool.submit({kSmall, Priority::kNormal, [&small] { small.set_value(); }});
  small.get_future().wait();
  CHECK(gate.entered() == 2);
  gate.open();
}

TEST_CASE("every job that was taken is done before the pool is gone, and its threads are nicer than others") {
  imageclassifier::testing::FakeClock clock;
  std::atomic<int> done{0};
  std::atomic<int> nice{0};
  {
    DecodePool pool({.threads = 2}, clock);
    for (int i = 0; i < 20; ++i) pool.submit({kLarge, Priority::kNormal, [&done] { ++done; }});
    pool.submit({kSmall, Priority::kNormal, [&] { nice = getpriority(PRIO_PROCESS, static_cast<id_t>(gettid())); }});
  }
  CHECK(done == 20);
  CHECK(nice > getpriority(PRIO_PROCESS, 0));
}

TEST_CASE("the expected time follows the measured time per pixel and what is there") {
  imageclassifier::testing::FakeClock clock;
  Gate gate;
  DecodePool pool({.threads = 2}, clock);
  CHECK(pool.expected(kLarge) == Duration{});
  std::promise<void> first;
  pool.submit({kLarge, Priority::kNormal, [&] {
                 clock.advance(24ms);
                 first.set_value();
               }});
  first.get_future().wait();
  // The measure is written after the work.
  while (pool.expected(kLarge) == Duration{}) std::this_thread::yield();
  CHECK(pool.expected(kLarge) == 24ms);
  pool.submit({kLarge, Priority::kNormal, gate.work()});
  gate.wait_for(1);
  CHECK(pool.expected(kLarge) == 36ms);
  gate.open();
}
