#include "inference-server/protocol/memory_budget.hpp"

#include <catch2/catch.hpp>
#include <future>

#include "tests/inference-server/protocol/protocol_fixture.hpp"
#include "tests/inference-server/support/progressive_jpeg.hpp"
#include "tests/support/fake_clock.hpp"

using namespace imageclassifier;
using protocol::MemoryBudget;

TEST_CASE("bytes that are not free are waited for until they are given back, or until the deadline") {
  testing::FakeClock clock;
  MemoryBudget budget(100, clock);
  const SteadyTime soon = clock.steady_now() + std::chrono::seconds(1);
  CHECK(budget.take(60, soon));
  CHECK(budget.take(40, soon));
  auto waiting = std::async(std::launch::async, [&] { return budget.take(50, soon); });
  clock.wait_for_waiters(1);
  budget.give_back(40);
  clock.wait_for_waiters(1);
  budget.give_back(60);
  CHECK(waiting.get());
  auto late = std::async(std::launch::async, [&] { return budget.take(51, soon); });
  clock.wait_for_waiters(1);
  clock.advance(std::chrono::seconds(1));
  CHECK_FALSE(late.get());
  CHECK(budget.take(50, soon));
}

TEST_CASE("pictures that are decoded together wait for each other's memory and give it back, refused or not") {
  test::ProtocolFixture fixture;
  protocol::ClassifierOptions options{{}, {}, 4};
  const std::string picture = test::progressive_jpeg(640, 640, 1);
  options.limits.max_memory = 640 * 640 * 2;
  protocol::Classifier classifier(options, std::make_unique<test::BrightnessModel>(), fixture.clock, fixture.metrics);
  const auto problem_of = [&](const std::string& bytes) {
    std::promise<std::optional<protocol::Problem>> problem;
    protocol::ClassifyOptions how;
    how.deadline = SteadyTime::max();
    const auto refused = classifier.classify({{std::nullopt, bytes}}, nullptr, how,
                                             [&](auto results) { problem.set_value(results.front().problem); });
    CHECK_FALSE(refused);
    return problem.get_future().get();
  };
  const std::string cut = picture.substr(0, picture.size() - 3);
  const std::string larger = test::progressive_jpeg(648, 640, 1);
  std::vector<std::future<void>> clients;
  for (int client = 0; client < 4; ++client) {
    clients.push_back(std::async(std::launch::async, [&] {
      for (int round = 0; round < 10; ++round) {
        CHECK_FALSE(problem_of(picture));
        CHECK(problem_of(cut)->code == protocol::ProblemCode::kTruncatedImage);
        CHECK(problem_of(larger)->code == protocol::ProblemCode::kImageNeedsMemory);
      }
    }));
  }
  for (auto& client : clients) client.get();
}
