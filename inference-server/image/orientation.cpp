#include "inference-server/image/orientation.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace imageclassifier::image {
namespace {

/// Where the upright picture's pixel (x, y) comes from: start + x * step_x + y * step_y, in pixels.
struct Walk {
  std::ptrdiff_t start;
  std::ptrdiff_t step_x;
  std::ptrdiff_t step_y;
};

Walk walk_for(int orientation, std::ptrdiff_t width, std::ptrdiff_t height) {
  const std::ptrdiff_t last_row = (height - 1) * width;
  const std::ptrdiff_t last = width * height - 1;
  switch (orientation) {
    case 2:
      return {width - 1, -1, width};
    case 3:
      return {last, -1, -width};
    case 4:
      return {last_row, 1, -width};
    case 5:
      return {0, width, 1};
    case 6:
      return {last_row, -width, 1};
    case 7:
      return {last, -width, -1};
    case 8:
      return {width - 1, width, -1};
    default:
      return {0, 1, width};
  }
}

}  // namespace

Image make_upright(Image image, int orientation) {
  if (orientation < 2 || orientation > 8) return image;
  Image upright;
  upright.width = image.width;
  upright.height = image.height;
  if (orientation_swaps_sides(orientation)) std::swap(upright.width, upright.height);
  upright.pixels.resize(image.pixels.size());
  const Walk walk = walk_for(orientation, image.width, image.height);
  std::uint8_t* out = upright.pixels.data();
  for (std::ptrdiff_t y = 0; y < upright.height; ++y) {
    std::ptrdiff_t source = walk.start + y * walk.step_y;
    for (int x = 0; x < upright.width; ++x, source += walk.step_x) {
      out = std::copy_n(image.pixels.data() + source * 3, 3, out);
    }
  }
  return upright;
}

}  // namespace imageclassifier::image
