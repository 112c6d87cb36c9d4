#pragma once

#include <functional>
#include <string>
#include <vector>

#include "inference-server/demo/random.hpp"

namespace imageclassifier::demo {

struct Color {
  float red = 0;  ///< 0..1, likewise the others
  float green = 0;
  float blue = 0;
};

struct Point {
  float x = 0;  ///< in units of the figure's radius, from its centre
  float y = 0;  ///< downwards
};

/// The colour at a point, given the background's colour there.
using Painter = std::function<Color(Point, const Color& behind)>;

struct Figure {
  std::string label;
  float max_turn;                        ///< radians either way that leave it recognisable
  Color background;                      ///< its usual surroundings
  std::function<Painter(Random&)> make;  ///< draws its own colours
};

/// Every class that is drawn, in label order.
const std::vector<Figure>& figures();

/// A colour of the given hue range (0..1), lively enough to be seen.
Color lively_color(Random& random, float hue_low = 0, float hue_high = 1);
/// The given colour as things of that colour come: lighter or darker, with up to `spread` of a random hue.
Color roughly(Random& random, const Color& usual, float spread = 0.3F);
Color mix(const Color& a, const Color& b, float share_of_b);

}  // namespace imageclassifier::demo
