#pragma once

#include <array>
#include <cstddef>
#include <vector>

namespace imageclassifier::model {

/// A square convolution over `batch` planes of height x width.
struct ConvolutionShape {
  int batch;
  int in;   ///< channels, a multiple of kChannelBlock
  int out;  ///< channels, twice that
  int height;
  int width;
  int kernel;
  int stride;
  int padding;

  int out_height() const { return (height + 2 * padding - kernel) / stride + 1; }
  int out_width() const { return (width + 2 * padding - kernel) / stride + 1; }
};

/// relu(convolution + bias (+ what lies in the output)) in float32 by AVX2 and FMA: for the shapes in which oneDNN 2.6
/// takes a tenth to a third longer on a processor without AVX-512. Activations are in blocks of eight channels
/// (oneDNN's nChw8c). Weights lie in the order of their use and are fetched from memory while those before them are
/// computed with: a picture alone uses each a few dozen times only.
///
/// run() may be called by several threads at once with different outputs and scratch; it computes with as many OpenMP
/// threads as its caller has set.
class DirectConvolution {
 public:
  static constexpr int kChannelBlock = 8;

  /// The processor has the instructions and the channels are whole blocks.
  static bool supports(const ConvolutionShape& shape);
  /// `weights` are out x in x kernel x kernel; `packed` gets as many in another order.
  static void pack(const ConvolutionShape& shape, const std::vector<float>& weights, float* packed);

  explicit DirectConvolution(const ConvolutionShape& shape);

  std::size_t scratch_floats() const;
  struct Arguments {
    const float* in;
    const float* weights;  ///< as pack() orders them, aligned to 32 bytes
    const float* bias;     ///< one for each output channel
    float* out;
    float* scratch;
    bool relu;
    bool onto_output;
  };
  void run(const Arguments& arguments) const;

 private:
  static constexpr int kPixels = 6;

  /// Output pixels that are computed at once: where their first input and they lie, counted in floats.
  struct Tile {
    int count;
    std::array<std::ptrdiff_t, kPixels> in;
    std::array<std::ptrdiff_t, kPixels> out;
  };

  void pad(const float* in, float* padded) const;
  void compute(const Arguments& arguments, const float* in, int group, int first_tile, int last_tile) const;

  ConvolutionShape shape_;
  int parts_;                         ///< of the tiles, so that every thread has something to do
  int blocks_at_once_;                ///< of input channels, so that their weights stay in the first cache
  std::ptrdiff_t in_plane_;           ///< floats of a block of eight channels, with its padding
  std::ptrdiff_t out_plane_;          ///< the same of the output
  std::vector<std::ptrdiff_t> taps_;  ///< of the kernel, from the first one
  std::vector<Tile> tiles_;
};

}  // namespace imageclassifier::model
