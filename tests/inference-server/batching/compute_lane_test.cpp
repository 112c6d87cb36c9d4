#include "inference-server/batching/compute_lane.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <future>

#include "tests/support/fake_clock.hpp"

using namespace imageclassifier;
using namespace imageclassifier::batching;
using namespace std::chrono_literals;

namespace {

using Lane = ComputeLane<int, int>;

/// Doubles its inputs; the first batch waits until the test opens the gate, so that others queue up behind it.
struct Doubler {
  std::promise<void> started;
  std::promise<void> gate;
  std::vector<std::size_t> batches;  // the lane's thread alone, until the lane is gone

  Lane::Compute compute() {
    return [this, opened = gate.get_future().share()](std::vector<int> inputs) -> Result<std::vector<int>> {
      if (batches.empty()) {
        started.set_value();
        opened.wait();
      }
      batches.push_back(inputs.size());
      for (int& input : inputs) input *= 2;
      return inputs;
    };
  }
};

SteadyTime late() {
  return SystemClock().steady_now() + 1h;
}

/// Submits one task and gives what becomes of it.
std::future<Result<int>> submit(Lane& lane, int input, SteadyTime deadline = late(),
                                std::function<bool()> abandoned = {}, Priority priority = Priority::kNormal) {
  auto promise = std::make_shared<std::promise<Result<int>>>();
  auto place = lane.reserve(1);
  REQUIRE(place.has_value());
  std::vector<Lane::Task> tasks;
  tasks.push_back({input, deadline, std::move(abandoned),
                   [promise](Result<int> result, const LaneTiming&) { promise->set_value(std::move(result)); },
                   priority});
  lane.submit(std::move(*place), std::move(tasks));
  return promise->get_future();
}

}  // namespace

TEST_CASE("a lane makes batches of powers of two alone, whatever waits") {
  SystemClock clock;
  Doubler doubler;
  const LaneOptions options{.queue_depth = 64, .max_batch = 8};
  {
    Lane lane(options, clock, doubler.compute());
    auto first = submit(lane, 1);
    doubler.started.get_future().wait();
    std::vector<std::future<Result<int>>> rest;
    for (int i = 0; i < 15; ++i) rest.push_back(submit(lane, i));
    doubler.gate.set_value();
    for (int i = 0; i < 15; ++i) CHECK(rest[static_cast<std::size_t>(i)].get().value() == 2 * i);
  }
  CHECK(doubler.batches == std::vector<std::size_t>{1, 8, 4, 2, 1});
  CHECK(batch_sizes(options) == std::vector<std::size_t>{1, 2, 4, 8});
  CHECK(batch_sizes({.queue_depth = 3, .max_batch = 8}) == std::vector<std::size_t>{1, 2});
}

TEST_CASE("what waits becomes one batch, in order and at most max_batch") {
  SystemClock clock;
  Doubler doubler;
  {
    Lane lane({.queue_depth = 64, .max_batch = 8}, clock, doubler.compute());
    auto first = submit(lane, 1);
    doubler.started.get_future().wait();
    std::vector<std::future<Result<int>>> rest;
    for (int i = 2; i <= 21; ++i) rest.push_back(submit(lane, i));
    doubler.gate.set_value();
    CHECK(first.get().value() == 2);
    for (int i = 2; i <= 21; ++i) CHECK(rest[static_cast<std::size_t>(i - 2)].get().value() == 2 * i);
  }
  CHECK(doubler.batches == std::vector<std::size_t>{1, 8, 8, 4});
}

TEST_CASE("two lanes compute at the same time, and share what waits while both are idle") {
  SystemClock clock;
  std::promise<void> both;
  std::atomic<std::size_t> started{0};
  Guarded<std::vector<std::size_t>> batches;
  const auto compute = [&, met = both.get_future().share()](std::vector<int> inputs) -> Result<std::vector<int>> {
    batches.lock()->push_back(inputs.size());
    if (++started == 2) both.set_value();
    met.wait();  // for ever, if the other one had to wait for this
    return inputs;
  };
  Lane lane({.queue_depth = 64, .max_batch = 8, .lanes = 2}, clock, compute);
  auto places = lane.reserve(4);
  std::vector<Lane::Task> tasks;
  std::vector<std::promise<Result<int>>> results(4);
  for (int i = 0; i < 4; ++i) {
    auto& result = results[static_cast<std::size_t>(i)];
    tasks.push_back(
        {i, late(), {}, [&result](Result<int> value, const LaneTiming&) { result.set_value(std::move(value)); }});
  }
  lane.submit(std::move(*places), std::move(tasks));
  for (int i = 0; i < 4; ++i) CHECK(results[static_cast<std::size_t>(i)].get_future().get().value() == i);
  CHECK(*batches.lock() == std::vector<std::size_t>{2, 2});
}

TEST_CASE("work on a lane needs no place in the queue and goes before what waits") {
  SystemClock clock;
  Doubler doubler;
  Lane lane({.queue_depth = 2, .max_batch = 8}, clock, doubler.compute());
  auto first = submit(lane, 1);
  doubler.started.get_future().wait();
  auto second = submit(lane, 2);
  auto third = submit(lane, 3);
  std::size_t batches = 0;
  auto done = std::async(std::launch::async, [&] { lane.run_on_lane(8, [&] { batches = doubler.batches.size(); }); });
  CHECK(lane.reserve(1).error().code == ErrorCode::kExhausted);
  // It is not known when the other thread asks; whenever it does, it is served.
  doubler.gate.set_value();
  done.get();
  CHECK(third.get().value() == 6);
  CHECK((batches == 1 || batches == 2));
}

TEST_CASE("a full queue is kExhausted, and reserved places count and come back") {
  SystemClock clock;
  Doubler doubler;
  Lane lane({.queue_depth = 3, .max_batch = 8}, clock, doubler.compute());
  auto first = submit(lane, 1);
  doubler.started.get_future().wait();
  auto second = submit(lane, 2);
  {
    const auto two = lane.reserve(2);
    REQUIRE(two.has_value());
    CHECK(lane.depth() == 3);
    CHECK(lane.reserve(1).error().code == ErrorCode::kExhausted);
  }
  CHECK(lane.depth() == 1);
  CHECK(lane.reserve(4).error().code == ErrorCode::kInvalidArgument);
  doubler.gate.set_value();
  CHECK(second.get().value() == 4);
}

TEST_CASE("places that a request does not use are given back") {
  SystemClock clock;
  Doubler doubler;
  doubler.gate.set_value();
  Lane lane({.queue_depth = 4, .max_batch = 8}, clock, doubler.compute());
  auto places = lane.reserve(4);
  lane.submit(std::move(*places), {});
  CHECK(lane.depth() == 0);
}

TEST_CASE("expired and abandoned work never reaches the model") {
  SystemClock clock;
  Doubler doubler;
  {
    Lane lane({}, clock, doubler.compute());
    auto first = submit(lane, 1);
    doubler.started.get_future().wait();
    auto expired = submit(lane, 2, clock.steady_now());
    auto abandoned = submit(lane, 3, late(), [] { return true; });
    auto good = submit(lane, 4);
    doubler.gate.set_value();
    CHECK(expired.get().error().code == ErrorCode::kDeadlineExceeded);
    CHECK(abandoned.get().error().code == ErrorCode::kCancelled);
    CHECK(good.get().value() == 8);
  }
  CHECK(doubler.batches == std::vector<std::size_t>{1, 1});
}

TEST_CASE("a failing batch fails each of its tasks, and a wrong count of results is a failure") {
  SystemClock clock;
  std::atomic<int> call{0};
  Lane lane({}, clock, [&call](std::vector<int>) -> Result<std::vector<int>> {
    if (call++ == 0) return fail(ErrorCode::kInternal, "broken");
    return std::vector<int>{1, 2, 3};
  });
  CHECK(submit(lane, 1).get().error().message == "broken");
  CHECK(submit(lane, 1).get().error().code == ErrorCode::kInternal);
}

TEST_CASE("a lane that stops finishes its batch and cancels what waits") {
  SystemClock clock;
  Doubler doubler;
  auto lane = std::make_unique<Lane>(LaneOptions{.queue_depth = 9, .max_batch = 1}, clock, doubler.compute());
  auto first = submit(*lane, 1);
  doubler.started.get_future().wait();
  auto second = submit(*lane, 2);
  std::jthread stopper([&lane] { lane.reset(); });
  doubler.gate.set_value();
  CHECK(first.get().value() == 2);
  // Whether the lane saw the stop before it took the second one is a race; it must end either way.
  const Result<int> end = second.get();
  CHECK((end.has_value() || end.error().code == ErrorCode::kUnavailable));
}

TEST_CASE("a task of high priority overtakes those that wait, not the batch that is computed") {
  SystemClock clock;
  Doubler doubler;
  std::vector<int> order;
  Lane lane({.queue_depth = 64, .max_batch = 1}, clock,
            [&order, inner = doubler.compute()](std::vector<int> inputs) mutable {
              order.push_back(inputs.front());
              return inner(std::move(inputs));
            });
  auto first = submit(lane, 1);
  doubler.started.get_future().wait();
  auto second = submit(lane, 2);
  auto third = submit(lane, 3, late(), {}, Priority::kHigh);
  auto fourth = submit(lane, 4, late(), {}, Priority::kHigh);
  doubler.gate.set_value();
  second.get();
  CHECK(order == std::vector<int>{1, 3, 4, 2});
}

TEST_CASE("abandoned work keeps no place in a full queue and does not make a batch smaller") {
  SystemClock clock;
  Doubler doubler;
  std::atomic<bool> gone{false};
  {
    Lane lane({.queue_depth = 4, .max_batch = 4}, clock, doubler.compute());
    auto first = submit(lane, 1);
    doubler.started.get_future().wait();
    std::vector<std::future<Result<int>>> abandoned;
    for (int i = 0; i < 4; ++i) abandoned.push_back(submit(lane, 9, late(), [&gone] { return gone.load(); }));
    CHECK(lane.reserve(1).error().code == ErrorCode::kExhausted);
    gone = true;
    std::vector<std::future<Result<int>>> good;
    for (int i = 0; i < 4; ++i) good.push_back(submit(lane, i));
    doubler.gate.set_value();
    for (auto& one : abandoned) CHECK(one.get().error().code == ErrorCode::kCancelled);
    for (int i = 0; i < 4; ++i) CHECK(good[static_cast<std::size_t>(i)].get().value() == 2 * i);
  }
  CHECK(doubler.batches == std::vector<std::size_t>{1, 4});
}

TEST_CASE("what the measured time per task would make late is refused at once, unless the lane is idle") {
  imageclassifier::testing::FakeClock clock;
  std::promise<void> gate;
  std::atomic<int> calls{0};
  Lane lane({}, clock, [&, opened = gate.get_future().share()](std::vector<int> inputs) -> Result<std::vector<int>> {
    if (++calls == 1) clock.advance(1s);
    if (calls == 2) opened.wait();
    return inputs;
  });
  submit(lane, 1, SteadyTime::max()).get();
  CHECK(lane.expected_wait() == 1s);
  // Idle: taken in spite of the measure.
  auto second = submit(lane, 2, clock.steady_now() + 500ms);
  CHECK(lane.reserve(1, clock.steady_now() + 1999ms).error().code == ErrorCode::kDeadlineExceeded);
  CHECK(lane.reserve(2, clock.steady_now() + 2999ms).error().code == ErrorCode::kDeadlineExceeded);
  {
    const auto place = lane.reserve(1, clock.steady_now() + 2s);
    CHECK(place.has_value());
    CHECK(lane.expected_wait() == 3s);
  }
  CHECK(lane.expected_wait() == 2s);
  gate.set_value();
  second.get();
}

TEST_CASE("the time per item counts while there is something to do, and nothing else") {
  ServiceRate rate;
  const SteadyTime zero{};
  rate.arrived(1, zero + 10s);
  rate.departed(1, zero + 12s);
  CHECK(rate.per_item() == 2s);
  rate.arrived(3, zero + 100s);
  rate.departed(1, zero + 101s, false);
  CHECK(rate.per_item() == 2s);
  rate.departed(2, zero + 112s);
  CHECK(rate.per_item() == 3s);
  CHECK(rate.present() == 0);
  CHECK(rate.expected(2) == 6s);
}
