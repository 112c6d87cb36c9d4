#include "inference-server/postprocess/top_k.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

namespace imageclassifier::postprocess {
namespace {

constexpr double kLeastSure = 0.5;
constexpr double kMostEffectiveClasses = 10;

}  // namespace

std::vector<double> softmax(std::span<const float> logits, double temperature) {
  if (logits.empty()) return {};
  std::vector<double> values(logits.begin(), logits.end());
  const double highest = *std::max_element(values.begin(), values.end());
  double sum = 0;
  for (double& value : values) {
    value = std::exp((value - highest) / temperature);
    sum += value;
  }
  for (double& value : values) value /= sum;
  return values;
}

Certainty certainty_of(std::span<const float> logits, double temperature) {
  const bool finite = std::all_of(logits.begin(), logits.end(), [](float value) { return std::isfinite(value); });
  if (logits.empty() || !finite) return {false, static_cast<double>(logits.size())};
  double best = 0;
  double entropy = 0;
  for (const double probability : softmax(logits, temperature)) {
    best = std::max(best, probability);
    if (probability > 0) entropy -= probability * std::log(probability);
  }
  const double effective = std::exp(entropy);
  return {best >= kLeastSure && effective <= kMostEffectiveClasses, effective};
}

std::vector<Prediction> top_k(std::span<const float> logits, std::span<const std::string> labels, int k,
                              double temperature) {
  if (logits.empty() || k < 1) return {};
  const std::vector<double> probabilities = softmax(logits, temperature);
  const std::vector<double> raw = softmax(logits, 1.0);

  std::vector<std::size_t> order(logits.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto count = std::min(order.size(), static_cast<std::size_t>(k));
  // A strict order even with NaN logits (a broken model), which sort last.
  const auto before = [&](std::size_t a, std::size_t b) {
    const bool nan_a = std::isnan(logits[a]);
    const bool nan_b = std::isnan(logits[b]);
    if (nan_a != nan_b) return nan_b;
    if (!nan_a && logits[a] != logits[b]) return logits[a] > logits[b];
    return a < b;
  };
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(), before);

  std::vector<Prediction> predictions;
  predictions.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t index = order[i];
    predictions.push_back({static_cast<int>(index), index < labels.size() ? labels[index] : std::string(),
                           probabilities[index], raw[index]});
  }
  return predictions;
}

}  // namespace imageclassifier::postprocess
