#include "inference-server/demo/figures.hpp"

#include <cmath>
#include <numbers>

#include "inference-server/demo/patterns.hpp"

namespace imageclassifier::demo {
namespace {

constexpr float kPi = std::numbers::pi_v<float>;

using Polygon = std::vector<Point>;

bool inside(const Polygon& polygon, Point p) {
  bool in = false;
  for (std::size_t i = 0, j = polygon.size() - 1; i < polygon.size(); j = i++) {
    const Point& a = polygon[i];
    const Point& b = polygon[j];
    if ((a.y > p.y) != (b.y > p.y) && p.x < (b.x - a.x) * (p.y - a.y) / (b.y - a.y) + a.x) in = !in;
  }
  return in;
}

bool inside_box(Point p, float left, float top, float right, float bottom) {
  return p.x >= left && p.x < right && p.y >= top && p.y < bottom;
}

Painter make_star(Random& random) {
  const float waist = random.real(0.36F, 0.46F);
  Polygon star;
  for (int i = 0; i < 10; ++i) {
    const float angle = static_cast<float>(i) * kPi / 5 - kPi / 2;
    const float radius = i % 2 == 0 ? 1.0F : waist;
    star.push_back({radius * std::cos(angle), radius * std::sin(angle)});
  }
  const Color ink = roughly(random, {0.95F, 0.75F, 0.15F});
  return [=](Point p, const Color& behind) { return inside(star, p) ? ink : behind; };
}

Painter make_heart(Random& random) {
  const Color ink = lively_color(random, 0.9F, 1.03F);
  return [=](Point p, const Color& behind) {
    const float x = p.x * 1.15F;
    const float y = -p.y * 1.15F + 0.1F;
    const float a = x * x + y * y - 1;
    return a * a * a - x * x * y * y * y < 0 ? ink : behind;
  };
}

Painter make_sun(Random& random) {
  const auto rays = static_cast<float>(random.whole(9, 14));
  const float disc = random.real(0.42F, 0.52F);
  const Color ink = mix(lively_color(random, 0.1F, 0.17F), {1.0F, 0.85F, 0.1F}, 0.7F);
  const Color sky = mix(lively_color(random, 0.52F, 0.62F), {0.4F, 0.7F, 1.0F}, 0.5F);
  return [=](Point p, const Color& behind) {
    const float radius = std::hypot(p.x, p.y);
    if (radius < disc) return ink;
    const float along = (radius - disc - 0.08F) / (1 - disc - 0.08F);
    const float across = std::abs(std::remainder(std::atan2(p.y, p.x) * rays / (2 * kPi), 1.0F));
    if (along > 0 && along < 1 && across < 0.3F * (1 - along)) return ink;
    return mix(behind, sky, 0.7F);
  };
}

Painter make_tree(Random& random) {
  const bool fir = random.chance(0.5F);
  const Color leaves = mix(lively_color(random, 0.27F, 0.4F), {0.1F, 0.4F, 0.1F}, 0.4F);
  const Color bark = mix({0.4F, 0.25F, 0.12F}, lively_color(random), 0.1F);
  const Color meadow = mix(lively_color(random, 0.2F, 0.3F), {0.5F, 0.7F, 0.3F}, 0.5F);
  return [=](Point p, const Color& behind) {
    bool crown = false;
    if (fir) {
      for (const float top : {-1.0F, -0.6F, -0.2F}) {
        const float down = p.y - top;
        crown = crown || (down > 0 && down < 0.7F && std::abs(p.x) < down * (0.75F + 0.15F * top));
      }
    } else {
      const float bumps = 0.05F * std::sin(9 * std::atan2(p.y + 0.35F, p.x));
      crown = std::hypot(p.x, p.y + 0.35F) < 0.62F + bumps;
    }
    if (crown) return leaves;
    if (inside_box(p, -0.11F, 0.1F, 0.11F, 1.0F)) return bark;
    return p.y > 0.9F ? meadow : behind;
  };
}

Painter make_house(Random& random) {
  const Color wall = roughly(random, {0.93F, 0.88F, 0.72F});
  const Color roof = roughly(random, {0.65F, 0.2F, 0.13F});
  const Color door = roughly(random, {0.35F, 0.22F, 0.12F});
  const Color glass = mix({0.75F, 0.9F, 1.0F}, wall, 0.15F);
  const Color ground = roughly(random, {0.35F, 0.6F, 0.25F});
  const Polygon gable{{-1.0F, -0.15F}, {0, -0.95F}, {1.0F, -0.15F}};
  return [=](Point p, const Color& behind) {
    if (inside(gable, p)) return roof;
    if (inside_box(p, -0.14F, 0.35F, 0.16F, 0.9F)) return door;
    if (inside_box(p, -0.6F, 0.1F, -0.28F, 0.42F) || inside_box(p, 0.3F, 0.1F, 0.62F, 0.42F)) return glass;
    if (inside_box(p, -0.8F, -0.15F, 0.8F, 0.9F)) return wall;
    return p.y > 0.9F ? ground : behind;
  };
}

Painter make_sailboat(Random& random) {
  const Color hull = roughly(random, {0.5F, 0.25F, 0.12F});
  const Color sail = mix({1, 1, 1}, lively_color(random), random.real(0, 0.5F));
  const Color sea = mix(lively_color(random, 0.52F, 0.66F), {0.1F, 0.3F, 0.6F}, 0.5F);
  const Color mast{0.25F, 0.18F, 0.1F};
  const float waves = random.real(7, 12);
  const Polygon body{{-0.95F, 0.45F}, {0.95F, 0.45F}, {0.6F, 0.85F}, {-0.65F, 0.85F}};
  const Polygon main_sail{{-0.06F, -0.95F}, {-0.06F, 0.35F}, {-0.85F, 0.35F}};
  const Polygon jib{{0.08F, -0.75F}, {0.08F, 0.35F}, {0.75F, 0.35F}};
  return [=](Point p, const Color& behind) {
    if (p.y > 0.75F + 0.04F * std::sin(waves * p.x)) return sea;
    if (inside(body, p)) return hull;
    if (inside(main_sail, p) || inside(jib, p)) return sail;
    return inside_box(p, -0.05F, -1.0F, 0.05F, 0.45F) ? mast : behind;
  };
}

}  // namespace

const std::vector<Figure>& figures() {
  static const Color kSky{0.6F, 0.8F, 0.95F};
  static const std::vector<Figure> kFigures{{"brick-wall", 0.1F, {0.8F, 0.78F, 0.72F}, make_brick_wall},
                                            {"checkerboard", 0.25F, {0.92F, 0.86F, 0.7F}, make_checkerboard},
                                            {"heart", 0.3F, {0.95F, 0.85F, 0.87F}, make_heart},
                                            {"house", 0.12F, kSky, make_house},
                                            {"polka-dots", kPi, {0.1F, 0.62F, 0.58F}, make_polka_dots},
                                            {"rings", kPi, {0.97F, 0.95F, 0.93F}, make_rings},
                                            {"sailboat", 0.12F, kSky, make_sailboat},
                                            {"spiral", kPi, {1.0F, 0.87F, 0.45F}, make_spiral},
                                            {"star", 0.3F, {0.06F, 0.07F, 0.22F}, make_star},
                                            {"stripes", 0.5F, {0.96F, 0.96F, 0.94F}, make_stripes},
                                            {"sun", kPi, kSky, make_sun},
                                            {"tree", 0.12F, kSky, make_tree}};
  return kFigures;
}

}  // namespace imageclassifier::demo
