#include "inference-server/preprocess/resample.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace imageclassifier::preprocess {
namespace {

constexpr int kPrecisionBits = 32 - 8 - 2;
constexpr std::int32_t kHalf = 1 << (kPrecisionBits - 1);

/// The weights of one axis for outputs first .. first + count.
struct Weights {
  struct Window {
    int begin;  ///< first source sample
    int count;  ///< source samples
  };
  std::vector<Window> windows;
  std::vector<std::int32_t> values;  ///< stride values per output
  std::size_t stride = 0;

  const std::int32_t* of(std::size_t output) const { return values.data() + output * stride; }
};

double triangle(double x) {
  return std::max(0.0, 1.0 - std::abs(x));
}

std::int32_t to_fixed(double weight) {
  return static_cast<std::int32_t>((weight < 0 ? -0.5 : 0.5) + weight * (1 << kPrecisionBits));
}

Weights make_weights(int in_size, int out_size, int first, int count) {
  const double scale = static_cast<double>(in_size) / out_size;
  const double filter_scale = std::max(scale, 1.0);
  const double support = filter_scale;  // the triangle's own support is 1
  const double inverse = 1.0 / filter_scale;
  Weights weights;
  weights.stride = static_cast<std::size_t>(std::ceil(support)) * 2 + 1;
  weights.values.assign(weights.stride * static_cast<std::size_t>(count), 0);
  weights.windows.reserve(static_cast<std::size_t>(count));
  std::vector<double> real(weights.stride);
  for (int i = 0; i < count; ++i) {
    const double center = (first + i + 0.5) * scale;
    const int begin = std::max(static_cast<int>(center - support + 0.5), 0);
    const int samples = std::min(static_cast<int>(center + support + 0.5), in_size) - begin;
    double sum = 0;
    for (int k = 0; k < samples; ++k) {
      real[static_cast<std::size_t>(k)] = triangle((k + begin - center + 0.5) * inverse);
      sum += real[static_cast<std::size_t>(k)];
    }
    std::int32_t* out = weights.values.data() + static_cast<std::size_t>(i) * weights.stride;
    for (int k = 0; k < samples; ++k) {
      const double weight = real[static_cast<std::size_t>(k)];
      out[k] = to_fixed(sum != 0.0 ? weight / sum : weight);
    }
    weights.windows.push_back({begin, samples});
  }
  return weights;
}

std::uint8_t to_byte(std::int32_t fixed) {
  return static_cast<std::uint8_t>(std::clamp(fixed >> kPrecisionBits, 0, 255));
}

void resample_row(const std::uint8_t* in, std::uint8_t* out, const Weights& weights) {
  for (std::size_t x = 0; x < weights.windows.size(); ++x, out += 3) {
    const auto [begin, count] = weights.windows[x];
    const std::int32_t* weight = weights.of(x);
    const std::uint8_t* pixel = in + static_cast<std::ptrdiff_t>(begin) * 3;
    std::int32_t red = kHalf;
    std::int32_t green = kHalf;
    std::int32_t blue = kHalf;
    for (int k = 0; k < count; ++k, pixel += 3) {
      red += pixel[0] * weight[k];
      green += pixel[1] * weight[k];
      blue += pixel[2] * weight[k];
    }
    out[0] = to_byte(red);
    out[1] = to_byte(green);
    out[2] = to_byte(blue);
  }
}

/// `rows` begins with source row `first_row`, `stride` bytes each.
void resample_columns(const std::vector<std::uint8_t>& rows, std::size_t stride, int first_row, const Weights& weights,
                      image::Image& out) {
  std::vector<std::int32_t> sums(stride);
  for (std::size_t y = 0; y < weights.windows.size(); ++y) {
    const auto [begin, count] = weights.windows[y];
    const std::int32_t* weight = weights.of(y);
    std::fill(sums.begin(), sums.end(), kHalf);
    for (int k = 0; k < count; ++k) {
      const std::uint8_t* row = rows.data() + static_cast<std::size_t>(begin + k - first_row) * stride;
      for (std::size_t i = 0; i < stride; ++i) sums[i] += row[i] * weight[k];
    }
    std::transform(sums.begin(), sums.end(), out.pixels.begin() + static_cast<std::ptrdiff_t>(y * stride), to_byte);
  }
}

}  // namespace

image::Image resample_bilinear(const image::Image& image, int width, int height, const Region& region) {
  const Weights horizontal = make_weights(image.width, width, region.x, region.width);
  const Weights vertical = make_weights(image.height, height, region.y, region.height);
  const int first_row = vertical.windows.front().begin;
  const int end_row = vertical.windows.back().begin + vertical.windows.back().count;

  const std::size_t stride = static_cast<std::size_t>(region.width) * 3;
  const std::size_t in_stride = static_cast<std::size_t>(image.width) * 3;
  std::vector<std::uint8_t> rows(static_cast<std::size_t>(end_row - first_row) * stride);
  for (int y = first_row; y < end_row; ++y) {
    resample_row(image.pixels.data() + static_cast<std::size_t>(y) * in_stride,
                 rows.data() + static_cast<std::size_t>(y - first_row) * stride, horizontal);
  }
  image::Image out;
  out.width = region.width;
  out.height = region.height;
  out.pixels.resize(static_cast<std::size_t>(region.height) * stride);
  resample_columns(rows, stride, first_row, vertical, out);
  return out;
}

}  // namespace imageclassifier::preprocess
