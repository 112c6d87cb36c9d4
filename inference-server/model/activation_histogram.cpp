#include "inference-server/model/activation_histogram.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace imageclassifier::model {

void ActivationHistogram::widen() {
  for (std::size_t i = 0; i < kBins / 2; ++i) bins_[i] = bins_[2 * i] + bins_[2 * i + 1];
  std::fill(bins_.begin() + kBins / 2, bins_.end(), 0);
  range_ *= 2;
}

void ActivationHistogram::add(std::span<const float> values) {
  constexpr std::size_t kSample = 32'768;
  float largest = 0;
  for (const float value : values) largest = std::max(largest, std::abs(value));
  if (largest <= 0 || !std::isfinite(largest)) return;
  if (range_ == 0) range_ = largest;
  while (range_ < largest) widen();
  const float per_value = static_cast<float>(kBins) / range_;
  const std::size_t stride = values.size() / kSample | 1;  // odd, so that no channel of a layout is left out
  for (std::size_t i = 0; i < values.size(); i += stride) {
    ++bins_[static_cast<std::size_t>(std::min(static_cast<int>(std::abs(values[i]) * per_value), int{kBins} - 1))];
  }
}

float ActivationHistogram::best_range(int steps) const {
  constexpr float kLeast = 1e-6F;  // stands in for nothing: a dead tensor
  const double width = static_cast<double>(range_) / kBins;
  double best = range_;
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t end = kBins / 32; end <= kBins; end += kBins / 128) {
    const double range = width * static_cast<double>(end);
    const double step = range / steps;
    double error = 0;
    // The first bin holds the zeros of a ReLU, which are exact in any range.
    for (std::size_t bin = 1; bin < kBins; ++bin) {
      const double clipped = std::max(0.0, width * (static_cast<double>(bin) + 0.5) - range);
      error += static_cast<double>(bins_[bin]) * std::max(clipped * clipped, step * step / 12);
    }
    if (error < least) {
      least = error;
      best = range;
    }
  }
  return std::max(static_cast<float>(best), kLeast);
}

}  // namespace imageclassifier::model
