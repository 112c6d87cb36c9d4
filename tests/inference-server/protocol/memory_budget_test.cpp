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
  using Code = std::optional<protocol::ProblemCode>;
  // Catch2 is not for several threads.
  const auto code_of = [&](const std::string& bytes) -> Code {
    std::promise<std::optional<protocol::Problem>> promise;
    protocol::ClassifyOptions how;
    how.deadline = SteadyTime::max();
    auto problem = classifier.classify({{std::nullopt, bytes}}, nullptr, how,
                                       [&](auto results) { promise.set_value(results.front().problem); });
    if (!problem) problem = promise.get_future().get();
    return problem ? Code(problem->code) : std::nullopt;
  };
  const std::string cut = picture.substr(0, picture.size() - 3);
  const std::string larger = test::progressive_jpeg(648, 640, 1);
  std::vector<std::future<std::vector<Code>>> clients;
  for (int client = 0; client < 4; ++client) {
    clients.push_back(std::async(std::launch::async, [&] {
      std::vector<Code> codes;
      for (int round = 0; round < 10; ++round) {
        for (const std::string* bytes : {&picture, &cut, &larger}) codes.push_back(code_of(*bytes));
      }
      return codes;
    }));
  }
  for (auto& client : clients) {
    const std::vector<Code> codes = client.get();
    for (std::size_t i = 0; i < codes.size(); i += 3) {
      CHECK(codes[i] == std::nullopt);
      CHECK(codes[i + 1] == protocol::ProblemCode::kTruncatedImage);
      CHECK(codes[i + 2] == protocol::ProblemCode::kImageNeedsMemory);
    }
  }
}
