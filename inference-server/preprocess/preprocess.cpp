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

/// A picture whose geometry is that of width x height pixels, of which `extent` of the image is a version.
struct Source {
  const image::Image& image;
  image::Extent extent;
  int width;
  int height;
};

Source source_of(const image::Image& image) {
  return {
      image, {0, 0, static_cast<double>(image.width), static_cast<double>(image.height)}, image.width, image.height};
}

Source source_of(const image::DecodedImage& decoded) {
  return {decoded.image, decoded.extent, decoded.info.width, decoded.info.height};
}

/// The crop without its padding, which lies before it in either direction.
struct Cropped {
  image::Image image;
  Axis across;
  Axis down;
};

Cropped crop(const Source& source, const TransformSpec& spec) {
  const bool portrait = source.width <= source.height;
  const int width = portrait ? spec.resize : longer_side(spec.resize, source.width, source.height);
  const int height = portrait ? longer_side(spec.resize, source.height, source.width) : spec.resize;
  const Axis across = crop_axis(width, spec.crop);
  const Axis down = crop_axis(height, spec.crop);
  return {resample_bilinear(source.image, source.extent, width, height,
                            {across.begin, down.begin, across.count, down.count}),
          across, down};
}

Input preprocess_source(const Source& source, const TransformSpec& spec) {
  const auto [cropped, across, down] = crop(source, spec);
  Input input;
  input.height = spec.crop;
  input.width = spec.crop;
  const auto side = static_cast<std::size_t>(spec.crop);
  input.values.resize(side * side * 3);
  for (std::size_t channel = 0; channel < 3; ++channel) {
    const Table table = normalised_values(spec.mean[channel], spec.std[channel]);
    float* plane = input.values.data() + channel * side * side;
    std::fill_n(plane, side * side, table[0]);
    const std::uint8_t* in = cropped.pixels.data() + channel;
    for (int y = 0; y < down.count; ++y) {
      float* out = plane + static_cast<std::size_t>(y + down.pad_before) * side + across.pad_before;
      for (int x = 0; x < across.count; ++x, in += 3) out[x] = table[*in];
    }
  }
  return input;
}

}  // namespace

Input preprocess(const image::Image& image, const TransformSpec& spec) {
  return preprocess_source(source_of(image), spec);
}

Input preprocess(const image::DecodedImage& decoded, const TransformSpec& spec) {
  return preprocess_source(source_of(decoded), spec);
}

image::Image resize_and_crop(const image::DecodedImage& decoded, const TransformSpec& spec) {
  const auto [cropped, across, down] = crop(source_of(decoded), spec);
  const auto side = static_cast<std::size_t>(spec.crop);
  image::Image padded{spec.crop, spec.crop, std::vector<std::uint8_t>(side * side * 3)};
  for (int y = 0; y < down.count; ++y) {
    const std::size_t row =
        static_cast<std::size_t>(y + down.pad_before) * side + static_cast<std::size_t>(across.pad_before);
    std::copy_n(cropped.pixels.begin() + static_cast<std::ptrdiff_t>(y) * across.count * 3, across.count * 3,
                padded.pixels.begin() + static_cast<std::ptrdiff_t>(row * 3));
  }
  return padded;
}

image::Image resize_bilinear(const image::Image& image, int width, int height) {
  return resample_bilinear(image, width, height, {0, 0, width, height});
}

}  // namespace imageclassifier::preprocess
