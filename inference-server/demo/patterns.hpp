#pragma once

#include "inference-server/demo/figures.hpp"

/// Figures that fill the whole picture.
namespace imageclassifier::demo {

Painter make_stripes(Random& random);
Painter make_checkerboard(Random& random);
Painter make_rings(Random& random);
Painter make_spiral(Random& random);
Painter make_polka_dots(Random& random);
Painter make_brick_wall(Random& random);

}  // namespace imageclassifier::demo
