#include "inference-server/preprocess/resample_weights.hpp"

#include <algorithm>
#include <cmath>

namespace imageclassifier::preprocess {
namespace {

double triangle(double x) {
  return std::max(0.0, 1.0 - std::abs(x));
}

std::int32_t to_fixed(double weight) {
  return static_cast<std::int32_t>((weight < 0 ? -0.5 : 0.5) + weight * (1 << kPrecisionBits));
}

void split(Weights& weights) {
  weights.halves.resize(weights.values.size() * 2);
  for (std::size_t i = 0; i < weights.values.size(); ++i) {
    const std::size_t at = i / 4 * 8 + i % 4;
    weights.halves[at] = static_cast<std::int16_t>(weights.values[i] & 0x7FFF);
    weights.halves[at + 4] = static_cast<std::int16_t>(weights.values[i] >> 15);
  }
}

void mirror(Weights& weights, int in_size) {
  std::reverse(weights.windows.begin(), weights.windows.end());
  std::vector<std::int32_t> values(weights.values.size());
  for (std::size_t i = 0; i < weights.windows.size(); ++i) {
    Weights::Window& window = weights.windows[i];
    window.begin = in_size - window.begin - window.count;
    const std::int32_t* from = weights.of(weights.windows.size() - 1 - i);
    std::reverse_copy(from, from + window.count, values.begin() + static_cast<std::ptrdiff_t>(i * weights.stride));
  }
  weights.values = std::move(values);
}

}  // namespace

Weights make_weights(const Axis& axis) {
  const double scale = axis.in_length / axis.out_size;
  const double filter_scale = std::max(scale, 1.0);
  const double support = filter_scale;  // the triangle's own support is 1
  const double inverse = 1.0 / filter_scale;
  Weights weights;
  weights.stride = round_up(static_cast<std::size_t>(std::ceil(support)) * 2 + 1, 4);
  weights.values.assign(weights.stride * static_cast<std::size_t>(axis.count), 0);
  weights.windows.reserve(static_cast<std::size_t>(axis.count));
  std::vector<double> real(weights.stride);
  for (int i = 0; i < axis.count; ++i) {
    const double center = axis.in_begin + (axis.first + i + 0.5) * scale;
    const int begin = std::max(static_cast<int>(center - support + 0.5), 0);
    const int samples = std::min(static_cast<int>(center + support + 0.5), axis.in_size) - begin;
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
  if (axis.mirrored) mirror(weights, axis.in_size);
  split(weights);
  return weights;
}

}  // namespace imageclassifier::preprocess
