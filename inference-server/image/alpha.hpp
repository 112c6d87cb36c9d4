#pragma once

#include <cstddef>
#include <cstdint>

namespace imageclassifier::image {

/// R G B A over white to R G B, rounded as Pillow's alpha_composite over an opaque background; may work in place.
void composite_on_white(const std::uint8_t* rgba, std::uint8_t* rgb, std::size_t pixels);

}  // namespace imageclassifier::image
