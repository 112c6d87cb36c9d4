#include <catch2/catch.hpp>
#include <cmath>
#include <new>
#include <random>

#include "inference-server/model/convolution_avx2.hpp"

using namespace imageclassifier;
using model::ConvolutionShape;
using model::DirectConvolution;

namespace {

std::vector<float> noise(std::size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(count);
  for (float& value : values) value = uniform(generator);
  return values;
}

/// Where channel, row and column of a picture lie in blocks of eight channels.
std::size_t place(int channels, int height, int width, int picture, int channel, int y, int x) {
  return ((((static_cast<std::size_t>(picture) * (channels / 8) + channel / 8) * height + y) * width + x) * 8) +
         channel % 8;
}

struct Case {
  explicit Case(const ConvolutionShape& of)
      : shape(of),
        in(noise(static_cast<std::size_t>(of.batch) * of.in * of.height * of.width, 1)),
        weights(noise(static_cast<std::size_t>(of.out) * of.in * of.kernel * of.kernel, 2)),
        bias(noise(of.out, 3)),
        out(noise(static_cast<std::size_t>(of.batch) * of.out * of.out_height() * of.out_width(), 4)) {}

  /// By the definition of a convolution, in double.
  double expected(int picture, int channel, int y, int x, bool relu, bool onto_output) const {
    double sum = bias[channel];
    if (onto_output) sum += out[place(shape.out, shape.out_height(), shape.out_width(), picture, channel, y, x)];
    for (int c = 0; c < shape.in; ++c) {
      for (int ky = 0; ky < shape.kernel; ++ky) {
        for (int kx = 0; kx < shape.kernel; ++kx) {
          const int row = y * shape.stride + ky - shape.padding;
          const int column = x * shape.stride + kx - shape.padding;
          if (row < 0 || row >= shape.height || column < 0 || column >= shape.width) continue;
          const auto weight =
              ((static_cast<std::size_t>(channel) * shape.in + c) * shape.kernel + ky) * shape.kernel + kx;
          sum += double{weights[weight]} * in[place(shape.in, shape.height, shape.width, picture, c, row, column)];
        }
      }
    }
    return relu ? std::max(sum, 0.0) : sum;
  }

  std::vector<float> computed(bool relu, bool onto_output) const {
    std::vector<float> order(weights.size());
    DirectConvolution::pack(shape, weights, order.data());
    float* aligned = new (std::align_val_t{64}) float[order.size()];
    std::copy(order.begin(), order.end(), aligned);
    const DirectConvolution convolution(shape);
    std::vector<float> scratch(convolution.scratch_floats(), NAN);
    std::vector<float> result = out;
    convolution.run({in.data(), aligned, bias.data(), result.data(), scratch.data(), relu, onto_output});
    operator delete[](aligned, std::align_val_t{64});
    return result;
  }

  ConvolutionShape shape;
  std::vector<float> in, weights, bias, out;
};

double largest_difference(const Case& test, bool relu, bool onto_output) {
  const std::vector<float> result = test.computed(relu, onto_output);
  const ConvolutionShape& shape = test.shape;
  double largest = 0;
  for (int picture = 0; picture < shape.batch; ++picture) {
    for (int channel = 0; channel < shape.out; ++channel) {
      for (int y = 0; y < shape.out_height(); ++y) {
        for (int x = 0; x < shape.out_width(); ++x) {
          const double got = result[place(shape.out, shape.out_height(), shape.out_width(), picture, channel, y, x)];
          largest = std::max(largest, std::abs(got - test.expected(picture, channel, y, x, relu, onto_output)));
        }
      }
    }
  }
  return largest;
}

constexpr double kTolerance = 2e-4;  // of sums of up to 2,600 products of numbers below 1

}  // namespace

TEST_CASE("the AVX2 convolution gives what the definition gives, at every kernel, stride, odd size and batch") {
  const ConvolutionShape shapes[] = {{1, 8, 16, 7, 7, 3, 1, 1},  {1, 40, 32, 5, 9, 3, 1, 1},
                                     {3, 16, 16, 7, 7, 3, 1, 1}, {2, 64, 32, 14, 14, 3, 2, 1},
                                     {1, 16, 16, 1, 1, 3, 1, 1}, {1, 264, 16, 7, 7, 1, 1, 0},
                                     {2, 24, 48, 5, 3, 1, 1, 0}, {1, 512, 32, 14, 14, 1, 2, 0},
                                     {1, 8, 16, 2, 1, 1, 1, 0},  {1, 288, 16, 13, 11, 3, 2, 1}};
  for (const ConvolutionShape& shape : shapes) {
    INFO(shape.batch << " x " << shape.in << " -> " << shape.out << " channels, " << shape.height << " x "
                     << shape.width << ", kernel " << shape.kernel << ", stride " << shape.stride);
    if (!DirectConvolution::supports(shape)) {
      WARN("this processor has no AVX2 or no FMA");
      return;
    }
    const Case test(shape);
    CHECK(largest_difference(test, false, false) < kTolerance);
    CHECK(largest_difference(test, true, false) < kTolerance);
    CHECK(largest_difference(test, true, true) < kTolerance);
  }
}

TEST_CASE("the AVX2 convolution is not for channels that are no whole blocks") {
  CHECK_FALSE(DirectConvolution::supports({1, 3, 64, 8, 8, 3, 1, 1}));
  CHECK_FALSE(DirectConvolution::supports({1, 8, 24, 8, 8, 3, 1, 1}));
}
