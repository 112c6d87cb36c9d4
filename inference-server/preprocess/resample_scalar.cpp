#include <algorithm>

#include "inference-server/preprocess/resample_kernels.hpp"

namespace imageclassifier::preprocess {
namespace {

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

void horizontal(const std::uint8_t* const* in, std::uint8_t* const* out, const Weights& weights) {
  for (std::size_t row = 0; row < kRowsAtOnce; ++row) resample_row(in[row], out[row], weights);
}

void vertical(const std::uint8_t* const* rows, std::uint8_t* out, std::size_t size, const Weights& weights,
              std::size_t output) {
  const int count = weights.windows[output].count;
  const std::int32_t* weight = weights.of(output);
  for (std::size_t begin = 0; begin < size; begin += kBlock) {
    std::int32_t sums[kBlock];
    std::fill(std::begin(sums), std::end(sums), kHalf);
    for (int k = 0; k < count; ++k) {
      const std::uint8_t* row = rows[k] + begin;
      for (std::size_t i = 0; i < kBlock; ++i) sums[i] += row[i] * weight[k];
    }
    std::transform(std::begin(sums), std::end(sums), out + begin, to_byte);
  }
}

}  // namespace

const Kernels kScalarKernels{horizontal, vertical};

}  // namespace imageclassifier::preprocess
