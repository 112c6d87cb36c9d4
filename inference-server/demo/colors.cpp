#include <algorithm>
#include <cmath>

#include "inference-server/demo/figures.hpp"

namespace imageclassifier::demo {
namespace {

Color from_hsv(float hue, float saturation, float value) {
  const auto channel = [&](float shift) {
    const float k = std::fmod(shift + hue * 6, 6.0F);
    return value - value * saturation * std::clamp(std::min(k, 4 - k), 0.0F, 1.0F);
  };
  return {channel(5), channel(3), channel(1)};
}

}  // namespace

Color lively_color(Random& random, float hue_low, float hue_high) {
  const float hue = random.real(hue_low, hue_high);
  const float saturation = random.real(0.35F, 1.0F);
  return from_hsv(hue, saturation, random.real(0.35F, 1.0F));
}

Color roughly(Random& random, const Color& usual, float spread) {
  const Color tinted = mix(usual, lively_color(random), random.real(0, spread));
  const float light = random.real(0.8F, 1.1F);
  return {std::min(tinted.red * light, 1.0F), std::min(tinted.green * light, 1.0F),
          std::min(tinted.blue * light, 1.0F)};
}

Color mix(const Color& a, const Color& b, float share_of_b) {
  const auto blend = [&](float x, float y) { return x + (y - x) * share_of_b; };
  return {blend(a.red, b.red), blend(a.green, b.green), blend(a.blue, b.blue)};
}

}  // namespace imageclassifier::demo
