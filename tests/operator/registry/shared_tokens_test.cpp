#include "operator/registry/shared_tokens.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>
#include <vector>

#include "tests/support/fake_clock.hpp"

using namespace imageclassifier;
using namespace imageclassifier::registry;

TEST_CASE("a token serves all who ask for it until the share of its life that they allow") {
  testing::FakeClock clock;
  SharedTokens tokens(clock);
  int fetched = 0;
  const auto fetch = [&]() -> Minting<Token> {
    return Token{Secret("t" + std::to_string(++fetched)), clock.wall_now() + std::chrono::seconds(100)};
  };
  const auto get = [&](double share) { return tokens.get("a", share, fetch)->token.value.reveal(); };
  CHECK(get(0.8) == "t1");
  clock.advance(std::chrono::seconds(79));
  CHECK(get(0.8) == "t1");
  CHECK(get(0.5) == "t2");
  CHECK(tokens.get("b", 0.8, fetch)->token.value.reveal() == "t3");
  tokens.forget("a");
  CHECK(get(0.8) == "t4");
  clock.advance(-std::chrono::hours(1));
  CHECK(get(0.8) == "t5");
}

TEST_CASE("a failure is not kept, and in its stead a token that others may still use is") {
  testing::FakeClock clock;
  SharedTokens tokens(clock);
  const auto fetch = [&]() -> Minting<Token> {
    return Token{Secret("t"), clock.wall_now() + std::chrono::seconds(10)};
  };
  const auto refuse = []() -> Minting<Token> { return not_minted(MintProblem::kThrottled); };
  CHECK(tokens.get("a", 0.8, refuse).error().problem == MintProblem::kThrottled);
  CHECK(tokens.get("a", 0.8, fetch));
  clock.advance(std::chrono::seconds(5));
  CHECK_FALSE(tokens.get("a", 0.2, refuse));
  CHECK(tokens.get("a", 0.8, refuse));
}

TEST_CASE("those who ask while a token is being fetched wait for it and share it") {
  testing::FakeClock clock;
  SharedTokens tokens(clock);
  constexpr int kThreads = 8;
  std::atomic<int> fetched = 0, asking = 0, served = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        ++asking;
        const auto token = tokens.get("a", 0.8, [&]() -> Minting<Token> {
          ++fetched;
          while (asking < kThreads) std::this_thread::yield();
          return Token{Secret("t"), clock.wall_now() + std::chrono::seconds(10)};
        });
        served += token ? 1 : 0;
      });
    }
  }
  CHECK(fetched == 1);
  CHECK(served == kThreads);
}

TEST_CASE("names of tokens that have ended do not pile up") {
  testing::FakeClock clock;
  SharedTokens tokens(clock);
  int fetched = 0;
  const auto fetch = [&]() -> Minting<Token> {
    ++fetched;
    return Token{Secret("t"), clock.wall_now() + std::chrono::seconds(10)};
  };
  for (int i = 0; i < 2000; ++i) {
    REQUIRE(tokens.get(std::to_string(i), 0.8, fetch));
    clock.advance(std::chrono::seconds(1));
  }
  CHECK(tokens.get("1999", 0.8, fetch));
  CHECK(fetched == 2000);
}
