#include "inference-server/postprocess/top_k.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

using namespace imageclassifier;

namespace {

const std::vector<std::string> kLabels{"crane", "tench", "crane", "ship"};

}  // namespace

TEST_CASE("the most probable classes come first and repeated labels keep their index") {
  const std::vector<float> logits{1.0F, 0.5F, 3.0F, -2.0F};
  const auto best = postprocess::top_k(logits, kLabels, 2);
  REQUIRE(best.size() == 2);
  CHECK(best[0].index == 2);
  CHECK(best[0].label == "crane");
  CHECK(best[1].index == 0);
  const double sum = std::exp(1.0) + std::exp(0.5) + std::exp(3.0) + std::exp(-2.0);
  CHECK(best[0].probability == Approx(std::exp(3.0) / sum));
  CHECK(best[0].probability_raw == Approx(std::exp(3.0) / sum));
}

TEST_CASE("k is cut at the class count and equal logits go by index") {
  const std::vector<float> logits{0.0F, 1.0F, 1.0F, 1.0F};
  const auto all = postprocess::top_k(logits, kLabels, 100);
  REQUIRE(all.size() == 4);
  CHECK(all[0].index == 1);
  CHECK(all[1].index == 2);
  CHECK(all[2].index == 3);
  CHECK(all[3].index == 0);
  CHECK(postprocess::top_k(logits, kLabels, 0).empty());
  CHECK(postprocess::top_k({}, {}, 5).empty());
}

TEST_CASE("temperature changes the probability and leaves the raw softmax") {
  const std::vector<float> logits{2.0F, 0.0F};
  const auto hot = postprocess::top_k(logits, kLabels, 1, 2.0);
  REQUIRE(hot.size() == 1);
  CHECK(hot[0].probability == Approx(1.0 / (1.0 + std::exp(-1.0))));
  CHECK(hot[0].probability_raw == Approx(1.0 / (1.0 + std::exp(-2.0))));
}

TEST_CASE("an answer is sure when its first class is more likely right than wrong and few others are in play") {
  const auto certain = postprocess::certainty_of(std::vector<float>{2.0F, 0.0F});
  CHECK(certain.sure);
  CHECK(certain.effective_classes == Approx(1.44).margin(0.01));
  const auto even = postprocess::certainty_of(std::vector<float>(4, 1.0F));
  CHECK_FALSE(even.sure);
  CHECK(even.effective_classes == Approx(4));
  // 0.5 for one of two is just sure; as hot as this it is no more.
  CHECK(postprocess::certainty_of(std::vector<float>{0.0F, 0.0F}).sure);
  CHECK_FALSE(postprocess::certainty_of(std::vector<float>{2.0F, 0.0F, 0.0F}, 8.0).sure);
}

TEST_CASE("a first class of more than a half is not sure when the rest is spread over very many") {
  std::vector<float> logits(1000, 0.0F);
  logits[7] = 7.4F;  // about 0.62; the others 0.0004 each
  CHECK(postprocess::top_k(logits, {}, 1)[0].probability > 0.6);
  const auto spread = postprocess::certainty_of(logits);
  CHECK_FALSE(spread.sure);
  CHECK(spread.effective_classes > 10);
}

TEST_CASE("logits that are no numbers are never sure") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK_FALSE(postprocess::certainty_of(std::vector<float>{nan, 1.0F}).sure);
  CHECK_FALSE(postprocess::certainty_of({}).sure);
}

TEST_CASE("huge and broken logits do no harm") {
  const float infinite = std::numeric_limits<float>::max();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto huge = postprocess::top_k(std::vector<float>{infinite, -infinite}, kLabels, 2);
  CHECK(huge[0].probability == Approx(1.0));
  const auto broken = postprocess::top_k(std::vector<float>{nan, 1.0F, nan}, kLabels, 3);
  REQUIRE(broken.size() == 3);
  CHECK(broken[0].index == 1);
}
