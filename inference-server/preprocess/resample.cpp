#include "inference-server/preprocess/resample.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "inference-server/preprocess/resample_kernels.hpp"

namespace imageclassifier::preprocess {
namespace {

double triangle(double x) {
  return std::max(0.0, 1.0 - std::abs(x));
}

std::int32_t to_fixed(double weight) {
  return static_cast<std::int32_t>((weight < 0 ? -0.5 : 0.5) + weight * (1 << kPrecisionBits));
}

std::size_t round_up(std::size_t value, std::size_t to) {
  return (value + to - 1) / to * to;
}

void split(Weights& weights) {
  weights.halves.resize(weights.values.size() * 2);
  for (std::size_t i = 0; i < weights.values.size(); ++i) {
    const std::size_t at = i / 4 * 8 + i % 4;
    weights.halves[at] = static_cast<std::int16_t>(weights.values[i] & 0x7FFF);
    weights.halves[at + 4] = static_cast<std::int16_t>(weights.values[i] >> 15);
  }
}

/// For outputs first .. first + count of out_size, over in_begin .. in_begin + in_length of in_size samples.
Weights make_weights(int in_size, double in_begin, double in_length, int out_size, int first, int count) {
  const double scale = in_length / out_size;
  const double filter_scale = std::max(scale, 1.0);
  const double support = filter_scale;  // the triangle's own support is 1
  const double inverse = 1.0 / filter_scale;
  Weights weights;
  weights.stride = round_up(static_cast<std::size_t>(std::ceil(support)) * 2 + 1, 4);
  weights.values.assign(weights.stride * static_cast<std::size_t>(count), 0);
  weights.windows.reserve(static_cast<std::size_t>(count));
  std::vector<double> real(weights.stride);
  for (int i = 0; i < count; ++i) {
    const double center = in_begin + (first + i + 0.5) * scale;
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
  split(weights);
  return weights;
}

const Kernels& kernels_of(InstructionSet set) {
#if defined(__x86_64__)
  if (set == InstructionSet::kAvx2) return kAvx2Kernels;
#endif
  static_cast<void>(set);
  return kScalarKernels;
}

/// The horizontal pass on demand: keeps only the rows that one window of the vertical pass needs, so that they stay in
/// the first cache however tall the picture is.
class NarrowRows {
 public:
  NarrowRows(const image::Image& image, const Weights& weights, std::size_t width, const Weights& vertical,
             const Kernels& kernels)
      : image_(image),
        weights_(weights),
        kernels_(kernels),
        next_(vertical.windows.front().begin),
        end_(vertical.windows.back().begin + vertical.windows.back().count),
        in_stride_(static_cast<std::size_t>(image.width) * 3),
        stride_(round_up(width * 3, kBlock) + kSlack),
        capacity_(vertical.stride + kRowsAtOnce),
        rows_(capacity_ * stride_),
        unused_(stride_) {}

  /// Row pointers of a window; windows come in ascending order.
  void of(const Weights::Window& window, std::vector<const std::uint8_t*>& pointers) {
    while (next_ < window.begin + window.count) advance();
    pointers.clear();
    for (int k = 0; k < window.count; ++k) pointers.push_back(slot(window.begin + k));
  }

 private:
  std::uint8_t* slot(int row) { return rows_.data() + static_cast<std::size_t>(row) % capacity_ * stride_; }

  /// A source row behind which a kernel may read.
  const std::uint8_t* source(int row) {
    const std::size_t begin = static_cast<std::size_t>(row) * in_stride_;
    const std::uint8_t* pixels = image_.pixels.data() + begin;
    if (begin + in_stride_ + kSlack <= image_.pixels.size()) return pixels;
    std::vector<std::uint8_t>& copy = copies_[static_cast<std::size_t>(row) % kRowsAtOnce];
    copy.resize(in_stride_ + kSlack);
    std::memcpy(copy.data(), pixels, in_stride_);
    return copy.data();
  }

  void advance() {
    const std::uint8_t* in[kRowsAtOnce];
    std::uint8_t* out[kRowsAtOnce];
    for (std::size_t i = 0; i < kRowsAtOnce; ++i) {
      const bool inside = next_ < end_;
      in[i] = inside ? source(next_) : in[0];
      out[i] = inside ? slot(next_) : unused_.data();
      if (inside) ++next_;
    }
    kernels_.horizontal(in, out, weights_);
  }

  const image::Image& image_;
  const Weights& weights_;
  const Kernels& kernels_;
  int next_;
  int end_;
  std::size_t in_stride_;
  std::size_t stride_;
  std::size_t capacity_;
  std::vector<std::uint8_t> rows_;
  std::vector<std::uint8_t> unused_;
  std::vector<std::uint8_t> copies_[kRowsAtOnce];
};

}  // namespace

const std::vector<InstructionSet>& instruction_sets() {
  static const std::vector<InstructionSet> sets = [] {
    std::vector<InstructionSet> found{InstructionSet::kScalar};
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") != 0) found.push_back(InstructionSet::kAvx2);
#endif
    return found;
  }();
  return sets;
}

image::Image resample_bilinear(const image::Image& image, int width, int height, const Region& region,
                               InstructionSet set) {
  const image::Extent whole{0, 0, static_cast<double>(image.width), static_cast<double>(image.height)};
  return resample_bilinear(image, whole, width, height, region, set);
}

image::Image resample_bilinear(const image::Image& image, const image::Extent& extent, int width, int height,
                               const Region& region, InstructionSet set) {
  const Weights horizontal = make_weights(image.width, extent.x, extent.width, width, region.x, region.width);
  const Weights vertical = make_weights(image.height, extent.y, extent.height, height, region.y, region.height);
  const Kernels& kernels = kernels_of(set);
  const std::size_t stride = static_cast<std::size_t>(region.width) * 3;
  NarrowRows rows(image, horizontal, static_cast<std::size_t>(region.width), vertical, kernels);

  image::Image out;
  out.width = region.width;
  out.height = region.height;
  out.pixels.resize(static_cast<std::size_t>(region.height) * stride);
  std::vector<std::uint8_t> row(round_up(stride, kBlock));
  std::vector<const std::uint8_t*> window;
  for (std::size_t y = 0; y < vertical.windows.size(); ++y) {
    rows.of(vertical.windows[y], window);
    kernels.vertical(window.data(), row.data(), stride, vertical, y);
    std::memcpy(out.pixels.data() + y * stride, row.data(), stride);
  }
  return out;
}

}  // namespace imageclassifier::preprocess
