#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "inference-server/demo/pictures.hpp"
#include "inference-server/image/jpeg_encoder.hpp"
#include "inference-server/preprocess/preprocess.hpp"

namespace imageclassifier::test {

/// The `index`-th held-out picture as a camera would take it: four times as large, with grain, a JPEG. Pictures follow
/// each other class by class.
inline std::vector<std::byte> camera_jpeg(int index) {
  const auto labels = static_cast<int>(demo::labels().size());
  const image::Image drawn = demo::draw_picture(index % labels, demo::PictureSet::kHeldOut, 77, index / labels);
  image::Image large = preprocess::resize_bilinear(drawn, drawn.width * 4, drawn.height * 4);
  std::minstd_rand random(static_cast<std::uint32_t>(index) + 1);
  for (std::uint8_t& sample : large.pixels) {
    const int grain = static_cast<int>(random() >> 8U & 7U) - 3;
    sample = static_cast<std::uint8_t>(std::clamp(sample + grain, 0, 255));
  }
  return image::encode_jpeg(large, 80 + index % 16);
}

}  // namespace imageclassifier::test
