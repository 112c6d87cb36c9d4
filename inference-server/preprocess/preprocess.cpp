#include "inference-server/preprocess/preprocess.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "inference-server/preprocess/resample.hpp"

namespace imageclassifier::preprocess {
namespace {

/// Where one axis of the crop lies: `begin` in the resized picture and how many black samples stand before it.
struct Axis {
  int begin = 0;
  int count = 0;
  int pad_before = 0;
};

/// torchvision's center_crop: black padding, the odd sample after the picture; else the offset rounded half to even.
Axis crop_axis(int size, int crop) {
  if (size < crop) return {0, size, (crop - size) / 2};
  return {static_cast<int>(std::nearbyint((size - crop) / 2.0)), crop, 0};
}

int longer_side(int resize, int longer, int shorter) {
  return static_cast<int>(static_cast<double>(resize) * longer / shorter);
}

using Table = std::array<float, 256>;

Table normalised_values(float mean, float deviation) {
  Table table{};
  for (std::size_t value = 0; value < table.size(); ++value) {
    table[value] = (static_cast<float>(value) / 255.0F - mean) / deviation;
  }
  return table;
}

}  // namespace

Input preprocess(const image::Image& image, const TransformSpec& spec) {
  const bool portrait = image.width <= image.height;
  const int width = portrait ? spec.resize : longer_side(spec.resize, image.width, image.height);
  const int height = portrait ? longer_side(spec.resize, image.height, image.width) : spec.resize;
  const Axis across = crop_axis(width, spec.crop);
  const Axis down = crop_axis(height, spec.crop);
  const image::Image cropped =
      resample_bilinear(image, width, height, {across.begin, down.begin, across.count, down.count});

  Input input;
  input.height = spec.crop;
  input.width = spec.crop;
  const auto crop = static_cast<std::size_t>(spec.crop);
  input.values.resize(crop * crop * 3);
  for (std::size_t channel = 0; channel < 3; ++channel) {
    const Table table = normalised_values(spec.mean[channel], spec.std[channel]);
    float* plane = input.values.data() + channel * crop * crop;
    std::fill_n(plane, crop * crop, table[0]);
    const std::uint8_t* in = cropped.pixels.data() + channel;
    for (int y = 0; y < down.count; ++y) {
      float* out = plane + static_cast<std::size_t>(y + down.pad_before) * crop + across.pad_before;
      for (int x = 0; x < across.count; ++x, in += 3) out[x] = table[*in];
    }
  }
  return input;
}

image::Image resize_bilinear(const image::Image& image, int width, int height) {
  return resample_bilinear(image, width, height, {0, 0, width, height});
}

}  // namespace imageclassifier::preprocess
