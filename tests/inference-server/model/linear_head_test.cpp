#include "inference-server/model/linear_head.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

#include "inference-server/demo/random.hpp"

using namespace imageclassifier;

namespace {

struct Samples {
  std::vector<std::vector<float>> features;
  std::vector<int> classes;
};

/// Clouds around one centre per class; the last feature is constant.
Samples make_samples(int per_class, float spread, std::uint64_t seed) {
  demo::Random centers(99);
  std::vector<std::vector<float>> center(4, std::vector<float>(20));
  for (auto& point : center) {
    for (float& value : point) value = centers.real(-1, 1) + 5;
  }
  demo::Random random(seed);
  Samples samples;
  for (int i = 0; i < per_class * 4; ++i) {
    std::vector<float> row = center[static_cast<std::size_t>(i % 4)];
    for (float& value : row) value += random.real(-spread, spread);
    row.push_back(3.0F);
    samples.features.push_back(row);
    samples.classes.push_back(i % 4);
  }
  return samples;
}

double share_right(const model::LinearHead& head, const Samples& samples) {
  int right = 0;
  for (std::size_t i = 0; i < samples.features.size(); ++i) {
    std::vector<double> logits;
    const auto& row = samples.features[i];
    for (std::size_t c = 0; c < head.bias.size(); ++c) {
      double sum = head.bias[c];
      for (std::size_t j = 0; j < row.size(); ++j) sum += double{head.weight[c * row.size() + j]} * row[j];
      logits.push_back(sum);
    }
    if (std::max_element(logits.begin(), logits.end()) - logits.begin() == samples.classes[i]) ++right;
  }
  return static_cast<double>(right) / static_cast<double>(samples.features.size());
}

}  // namespace

TEST_CASE("the head tells clouds apart that it has not seen, and leave-one-out foretells how well") {
  const Samples seen = make_samples(20, 1.0F, 1);
  const Samples unseen = make_samples(100, 1.0F, 2);
  const auto head = model::fit_linear_head(seen.features, seen.classes, 4);
  REQUIRE(head);
  CHECK(share_right(*head, unseen) > 0.9);
  CHECK(head->leave_one_out > 0.85);
}

TEST_CASE("shuffled classes leave nothing to learn") {
  Samples seen = make_samples(20, 1.0F, 1);
  demo::Random random(5);
  for (int i = static_cast<int>(seen.classes.size()) - 1; i > 0; --i) {
    std::swap(seen.classes[static_cast<std::size_t>(i)], seen.classes[static_cast<std::size_t>(random.whole(0, i))]);
  }
  const auto head = model::fit_linear_head(seen.features, seen.classes, 4);
  REQUIRE(head);
  CHECK(head->leave_one_out < 0.5);
  CHECK(share_right(*head, make_samples(100, 1.0F, 2)) < 0.6);
}

TEST_CASE("ragged, few or wrongly classed samples are refused") {
  Samples samples = make_samples(2, 1.0F, 1);
  CHECK_FALSE(model::fit_linear_head(samples.features, std::vector<int>{0}, 4));
  CHECK_FALSE(model::fit_linear_head(samples.features, samples.classes, 3));
  samples.features[1].pop_back();
  CHECK_FALSE(model::fit_linear_head(samples.features, samples.classes, 4));
  CHECK_FALSE(model::fit_linear_head({}, {}, 4));
}
