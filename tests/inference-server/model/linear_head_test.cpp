#include "inference-server/model/linear_head.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "inference-server/demo/random.hpp"

using namespace imageclassifier;

namespace {

struct Data {
  std::vector<std::vector<float>> rows;
  std::vector<int> classes;
};

/// Three clouds in six dimensions, of which the last is constant.
Data clouds(int per_class, float spread, std::uint64_t seed) {
  demo::Random random(seed);
  Data data;
  for (int i = 0; i < 3 * per_class; ++i) {
    const int c = i % 3;
    std::vector<float> row(6, 5.0F);
    for (int j = 0; j < 5; ++j)
      row[static_cast<std::size_t>(j)] = (j == c ? 100.0F : 0.0F) + random.real(-spread, spread);
    data.rows.push_back(row);
    data.classes.push_back(c);
  }
  return data;
}

double share_right(const std::vector<std::vector<float>>& logits, const std::vector<int>& classes) {
  int right = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (std::max_element(logits[i].begin(), logits[i].end()) - logits[i].begin() == classes[i]) ++right;
  }
  return static_cast<double>(right) / static_cast<double>(logits.size());
}

double log_loss(const std::vector<std::vector<float>>& logits, const std::vector<int>& classes, double temperature) {
  double loss = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    double sum = 0;
    for (const float value : logits[i]) sum += std::exp(value / temperature);
    loss += std::log(sum) - logits[i][static_cast<std::size_t>(classes[i])] / temperature;
  }
  return loss / static_cast<double>(logits.size());
}

}  // namespace

TEST_CASE("the head tells new samples apart, is sure where it may be, and is the same each time") {
  const Data fitted = clouds(20, 30, 1);
  const Data others = clouds(50, 30, 2);
  const auto head = model::fit_linear_head(fitted.rows, fitted.classes, 3);
  REQUIRE(head);
  const auto logits = model::apply_head(*head, others.rows);
  CHECK(share_right(logits, others.classes) == 1.0);
  CHECK(log_loss(logits, others.classes, 1) < 0.1);
  CHECK(model::fit_linear_head(fitted.rows, fitted.classes, 3)->weight == head->weight);
}

TEST_CASE("where classes overlap the head is nearly as good as can be, also with fewer samples than features") {
  const Data fitted = clouds(100, 120, 1);
  const Data others = clouds(300, 120, 2);
  const auto head = model::fit_linear_head(fitted.rows, fitted.classes, 3);
  REQUIRE(head);
  CHECK(share_right(model::apply_head(*head, others.rows), others.classes) > 0.7);
  const Data few = clouds(1, 10, 3);
  const auto small = model::fit_linear_head(few.rows, few.classes, 3);
  REQUIRE(small);
  CHECK(share_right(model::apply_head(*small, others.rows), others.classes) > 0.4);
}

TEST_CASE("labels dealt at random cannot be learned, and the penalty keeps the head from being sure") {
  Data fitted = clouds(40, 30, 1);
  demo::Random random(7);
  for (int& c : fitted.classes) c = random.whole(0, 2);
  const Data others = clouds(100, 30, 2);
  const auto head = model::fit_linear_head(fitted.rows, fitted.classes, 3);
  REQUIRE(head);
  CHECK(log_loss(model::apply_head(*head, others.rows), others.classes, 1) < 1.5);  // knowing nothing is 1.1
}

TEST_CASE("the temperature makes overconfident logits honest") {
  // Drawn from softmax(z), shown as 3 z.
  demo::Random random(5);
  std::vector<std::vector<float>> logits;
  std::vector<int> classes;
  for (int i = 0; i < 4000; ++i) {
    const float z = random.real(-2, 2);
    logits.push_back({3 * z, 0});
    classes.push_back(random.chance(1 / (1 + std::exp(-z))) ? 0 : 1);
  }
  const double temperature = model::calibrate_temperature(logits, classes);
  CHECK(temperature == Approx(3).epsilon(0.15));
  CHECK(log_loss(logits, classes, temperature) < log_loss(logits, classes, 1));
  CHECK(model::calibrate_temperature({}, {}) == 1);
}

TEST_CASE("a few samples that are all right do not make every answer sure") {
  const std::vector<std::vector<float>> logits(10, {3, 0});
  const std::vector<int> classes(10, 0);
  const double temperature = model::calibrate_temperature(logits, classes);
  CHECK(1 / (1 + std::exp(-3 / temperature)) == Approx(1 - 0.5 / 12).epsilon(0.01));
}

TEST_CASE("rows that cannot be fitted are refused") {
  using Rows = std::vector<std::vector<float>>;
  const std::vector<int> classes{0, 1};
  CHECK_FALSE(model::fit_linear_head(Rows{{1}, {1, 2}}, classes, 2));
  CHECK_FALSE(model::fit_linear_head(Rows{{1}, {INFINITY}}, classes, 2));
  CHECK_FALSE(model::fit_linear_head(Rows{{1}, {2}}, classes, 1));
  CHECK_FALSE(model::fit_linear_head(Rows{{1}}, classes, 2));
  CHECK_FALSE(model::fit_linear_head({}, {}, 2));
}
