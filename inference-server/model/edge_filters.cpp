#include "inference-server/model/edge_filters.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <functional>
#include <numbers>

namespace imageclassifier::model {
namespace {

constexpr int kSide = 7;
constexpr int kDirections = 8;

using Plane = std::array<float, kSide * kSide>;
using Channels = std::array<float, 3>;

constexpr Channels kBrightness{0.577F, 0.577F, 0.577F};
constexpr Channels kRedGreen{0.707F, -0.707F, 0.0F};
constexpr Channels kYellowBlue{0.408F, 0.408F, -0.816F};

/// Samples a function of (x, y) under a Gaussian window and scales it to length 1.
Plane sample(float window, const std::function<float(float, float)>& function) {
  Plane plane{};
  float length = 0;
  std::size_t i = 0;
  for (int y = -kSide / 2; y <= kSide / 2; ++y) {
    for (int x = -kSide / 2; x <= kSide / 2; ++x, ++i) {
      const auto squared = static_cast<float>(x * x + y * y);
      plane[i] = function(static_cast<float>(x), static_cast<float>(y)) * std::exp(-squared / (2 * window * window));
      length += plane[i] * plane[i];
    }
  }
  for (float& value : plane) value /= std::sqrt(length);
  return plane;
}

void without_mean(Plane& plane) {
  float sum = 0;
  for (const float value : plane) sum += value;
  for (float& value : plane) value -= sum / static_cast<float>(plane.size());
}

class FilterBank {
 public:
  /// Once as it is and once negated, since the layer keeps positive answers only.
  void add_pair(const Plane& plane, const Channels& channels) {
    for (const float sign : {1.0F, -1.0F}) {
      for (const float channel : channels) {
        for (const float value : plane) weights_.push_back(sign * channel * value);
      }
    }
  }
  std::vector<float> take() { return std::move(weights_); }

 private:
  std::vector<float> weights_;
};

}  // namespace

std::vector<float> make_edge_filters() {
  FilterBank bank;
  for (int i = 0; i < kDirections; ++i) {
    const float angle = std::numbers::pi_v<float> * static_cast<float>(i) / kDirections;
    const float cosine = std::cos(angle);
    const float sine = std::sin(angle);
    const Plane edge = sample(1.6F, [&](float x, float y) { return x * cosine + y * sine; });
    bank.add_pair(edge, kBrightness);
    bank.add_pair(edge, i % 2 == 0 ? kRedGreen : kYellowBlue);
    Plane line = sample(1.8F, [&](float x, float y) { return std::cos(1.6F * (x * cosine + y * sine)); });
    without_mean(line);
    bank.add_pair(line, kBrightness);
  }
  const Plane spot = sample(1.8F, [](float, float) { return 1.0F; });
  for (const Channels& channels :
       {kBrightness, kRedGreen, kYellowBlue, Channels{0.8F, -0.4F, -0.4F}, Channels{-0.4F, 0.8F, -0.4F},
        Channels{-0.4F, -0.4F, 0.8F}, Channels{0.707F, 0.0F, -0.707F}, Channels{0.0F, 0.707F, -0.707F}}) {
    bank.add_pair(spot, channels);
  }
  return bank.take();
}

}  // namespace imageclassifier::model
