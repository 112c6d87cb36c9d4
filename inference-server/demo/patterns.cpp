#include "inference-server/demo/patterns.hpp"

#include <cmath>
#include <cstdint>
#include <numbers>

namespace imageclassifier::demo {
namespace {

float fraction(float value) {
  return value - std::floor(value);
}

bool odd(float value) {
  return (static_cast<std::int64_t>(std::floor(value)) & 1) != 0;
}

/// 0..1 from two whole numbers; the same for the same brick.
float hash(float a, float b) {
  Random random(static_cast<std::uint64_t>(static_cast<std::int64_t>(a) * 7919 + static_cast<std::int64_t>(b)));
  return random.real(0, 1);
}

}  // namespace

Painter make_stripes(Random& random) {
  const float period = random.real(0.3F, 0.7F);
  const Color ink = roughly(random, {0.08F, 0.08F, 0.08F});
  return [=](Point p, const Color& behind) { return fraction(p.x / period) < 0.5F ? ink : behind; };
}

Painter make_checkerboard(Random& random) {
  const float side = random.real(0.25F, 0.5F);
  const Color ink = roughly(random, {0.25F, 0.14F, 0.08F});
  return [=](Point p, const Color& behind) { return odd(p.x / side) != odd(p.y / side) ? ink : behind; };
}

Painter make_rings(Random& random) {
  const float period = random.real(0.25F, 0.5F);
  const Color ink = roughly(random, {0.85F, 0.1F, 0.1F});
  return [=](Point p, const Color& behind) { return fraction(std::hypot(p.x, p.y) / period) < 0.5F ? ink : behind; };
}

Painter make_spiral(Random& random) {
  const float period = random.real(0.5F, 1.0F);
  const auto arms = static_cast<float>(random.whole(2, 4)) * (random.chance(0.5F) ? 1.0F : -1.0F);
  const Color ink = roughly(random, {0.55F, 0.15F, 0.7F});
  return [=](Point p, const Color& behind) {
    const float turn = std::atan2(p.y, p.x) / (2 * std::numbers::pi_v<float>);
    return fraction(std::hypot(p.x, p.y) / period + arms * turn) < 0.5F ? ink : behind;
  };
}

Painter make_polka_dots(Random& random) {
  const float pitch = random.real(0.35F, 0.6F);
  const float radius = random.real(0.22F, 0.34F);
  const Color ink = roughly(random, {0.97F, 0.97F, 0.95F});
  return [=](Point p, const Color& behind) {
    const float row = p.y / pitch;
    const float column = p.x / pitch + (odd(row) ? 0.5F : 0.0F);
    return std::hypot(fraction(column) - 0.5F, fraction(row) - 0.5F) < radius ? ink : behind;
  };
}

Painter make_brick_wall(Random& random) {
  const float height = random.real(0.16F, 0.28F);
  const float width = height * random.real(2.0F, 2.6F);
  const float gap = random.real(0.07F, 0.13F);
  const Color brick = lively_color(random, -0.02F + 1, 1.06F);
  const Color mortar = mix({0.8F, 0.78F, 0.72F}, lively_color(random), 0.15F);
  return [=](Point p, const Color&) {
    const float row = p.y / height;
    const float column = p.x / width + (odd(row) ? 0.5F : 0.0F);
    if (fraction(row) < gap * 1.6F || fraction(column) < gap * 0.8F) return mortar;
    return mix(brick, {0.2F, 0.1F, 0.1F}, 0.35F * hash(std::floor(row), std::floor(column)));
  };
}

}  // namespace imageclassifier::demo
