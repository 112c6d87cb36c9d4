#include "inference-server/model/convolution_avx2.hpp"

#include <algorithm>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace imageclassifier::model {
namespace {

constexpr int kBlock = DirectConvolution::kChannelBlock;
constexpr int kGroup = 2 * kBlock;  // output channels at once

std::ptrdiff_t floats_of_tap() {
  return std::ptrdiff_t{kBlock} * kGroup;
}

}  // namespace

void DirectConvolution::pack(const ConvolutionShape& shape, const std::vector<float>& weights, float* packed) {
  const std::ptrdiff_t taps = std::ptrdiff_t{shape.kernel} * shape.kernel;
  const std::ptrdiff_t per_output = shape.in * taps;
#pragma omp parallel for schedule(static)
  for (int group = 0; group < shape.out / kGroup; ++group) {
    const float* from = weights.data() + group * kGroup * per_output;
    float* to = packed + group * kGroup * per_output;
    for (int block = 0; block < shape.in; block += kBlock) {
      for (std::ptrdiff_t tap = 0; tap < taps; ++tap) {
        for (int in = block; in < block + kBlock; ++in) {
          for (int out = 0; out < kGroup; ++out) *to++ = from[out * per_output + in * taps + tap];
        }
      }
    }
  }
}

DirectConvolution::DirectConvolution(const ConvolutionShape& shape) : shape_(shape) {
  // Both give 16 KB of weights.
  blocks_at_once_ = std::min(shape.in / kBlock, shape.kernel == 1 ? 32 : 4);
  const std::ptrdiff_t width = shape.width + 2 * shape.padding;
  in_plane_ = (shape.height + 2 * shape.padding) * width * kBlock;
  out_plane_ = std::ptrdiff_t{kBlock} * shape.out_height() * shape.out_width();
  for (int y = 0; y < shape.kernel; ++y) {
    for (int x = 0; x < shape.kernel; ++x) taps_.push_back((y * width + x) * kBlock);
  }

  const int per_picture = shape.out_height() * shape.out_width();
  const int pixels = shape.batch * per_picture;
  const int tiles = (pixels + kPixels - 1) / kPixels;
  for (int i = 0, pixel = 0; i < tiles; ++i) {
    Tile tile{};
    // Of like size: a tile of one pixel takes longer than the sixth of a full one.
    for (const int end = static_cast<int>(std::ptrdiff_t{pixels} * (i + 1) / tiles); pixel < end; ++pixel) {
      const int picture = pixel / per_picture;
      const int place = pixel % per_picture;
      const int y = place / shape.out_width() * shape.stride;
      const int x = place % shape.out_width() * shape.stride;
      tile.in[tile.count] = picture * (shape.in / kBlock) * in_plane_ + (y * width + x) * kBlock;
      tile.out[tile.count] = picture * (shape.out / kBlock) * out_plane_ + std::ptrdiff_t{place} * kBlock;
      ++tile.count;
    }
    tiles_.push_back(tile);
  }
  constexpr int kEnoughForManyThreads = 64;
  const int groups = shape.out / kGroup;
  parts_ = std::clamp(kEnoughForManyThreads / groups / 4, 1, tiles);
}

std::size_t DirectConvolution::scratch_floats() const {
  if (shape_.padding == 0) return 0;
  return static_cast<std::size_t>(in_plane_) * shape_.batch * (shape_.in / kBlock);
}

void DirectConvolution::pad(const float* in, float* padded) const {
  const std::ptrdiff_t margin = std::ptrdiff_t{kBlock} * shape_.padding;
  const std::ptrdiff_t row = std::ptrdiff_t{kBlock} * shape_.width;
  const int planes = shape_.batch * (shape_.in / kBlock);
#pragma omp parallel for schedule(static)
  for (int plane = 0; plane < planes; ++plane) {
    const float* from = in + plane * row * shape_.height;
    float* to = padded + plane * in_plane_;
    const auto clear = [&to](std::ptrdiff_t count) {
      std::fill_n(to, count, 0.F);
      to += count;
    };
    clear(shape_.padding * (row + 2 * margin) + margin);
    for (int y = 0; y < shape_.height; ++y, from += row) {
      std::memcpy(to, from, static_cast<std::size_t>(row) * sizeof(float));
      to += row;
      clear(y + 1 < shape_.height ? 2 * margin : margin + shape_.padding * (row + 2 * margin));
    }
  }
}

void DirectConvolution::run(const Arguments& arguments) const {
  const float* in = arguments.in;
  if (shape_.padding > 0) {
    pad(in, arguments.scratch);
    in = arguments.scratch;
  }
  const int groups = shape_.out / kGroup;
  const int tiles = static_cast<int>(tiles_.size());
#pragma omp parallel for schedule(static)
  for (int item = 0; item < groups * parts_; ++item) {
    const int part = item % parts_;
    compute(arguments, in, item / parts_, tiles * part / parts_, tiles * (part + 1) / parts_);
  }
}

#if defined(__x86_64__)

// The attribute instead of a compiler flag for the file: inline functions of headers stay runnable everywhere.
#define IC_AVX2 [[gnu::target("avx2,fma")]]

namespace {

struct Piece {
  std::array<const float*, 6> in;
  std::array<float*, 6> out;
  const float* weights;
  const float* bias;
  const char* ahead;  ///< weights that are needed soon
  std::ptrdiff_t ahead_step;
  std::ptrdiff_t in_plane;
  std::ptrdiff_t out_plane;
  const std::ptrdiff_t* taps;
  std::ptrdiff_t tap_count;
  int blocks;
  bool starts;  ///< from the bias, else from what lies in the output
  bool onto_output;
  bool relu;
};

/// `Pixels` x 16 numbers of the output in registers: with six of them every multiply-add has its operands at once.
template <int Pixels>
IC_AVX2 [[gnu::noinline]] void compute_tile(const Piece& piece) {
  __m256 low[Pixels];
  __m256 high[Pixels];
#pragma GCC unroll 6
  for (int p = 0; p < Pixels; ++p) {
    low[p] = piece.starts ? _mm256_loadu_ps(piece.bias) : _mm256_loadu_ps(piece.out[p]);
    high[p] = piece.starts ? _mm256_loadu_ps(piece.bias + 8) : _mm256_loadu_ps(piece.out[p] + piece.out_plane);
    if (piece.starts && piece.onto_output) {
      low[p] = _mm256_add_ps(low[p], _mm256_loadu_ps(piece.out[p]));
      high[p] = _mm256_add_ps(high[p], _mm256_loadu_ps(piece.out[p] + piece.out_plane));
    }
  }
  const float* weights = piece.weights;
  const char* ahead = piece.ahead;
  for (int block = 0; block < piece.blocks; ++block) {
    for (std::ptrdiff_t tap = 0; tap < piece.tap_count; ++tap) {
      const std::ptrdiff_t offset = block * piece.in_plane + piece.taps[tap];
      const float* in[Pixels];
#pragma GCC unroll 6
      for (int p = 0; p < Pixels; ++p) in[p] = piece.in[p] + offset;
      _mm_prefetch(ahead, _MM_HINT_T1);
      ahead += piece.ahead_step;
#pragma GCC unroll 8
      for (int c = 0; c < 8; ++c, weights += 16) {
        const __m256 first = _mm256_load_ps(weights);
        const __m256 second = _mm256_load_ps(weights + 8);
#pragma GCC unroll 6
        for (int p = 0; p < Pixels; ++p) {
          const __m256 x = _mm256_broadcast_ss(in[p] + c);
          low[p] = _mm256_fmadd_ps(x, first, low[p]);
          high[p] = _mm256_fmadd_ps(x, second, high[p]);
        }
      }
    }
  }
#pragma GCC unroll 6
  for (int p = 0; p < Pixels; ++p) {
    if (piece.relu) {
      low[p] = _mm256_max_ps(low[p], _mm256_setzero_ps());
      high[p] = _mm256_max_ps(high[p], _mm256_setzero_ps());
    }
    _mm256_storeu_ps(piece.out[p], low[p]);
    _mm256_storeu_ps(piece.out[p] + piece.out_plane, high[p]);
  }
}

constexpr std::array kComputeTile{compute_tile<1>, compute_tile<2>, compute_tile<3>,
                                  compute_tile<4>, compute_tile<5>, compute_tile<6>};

}  // namespace

bool DirectConvolution::supports(const ConvolutionShape& shape) {
  return shape.in % kBlock == 0 && shape.out % kGroup == 0 && __builtin_cpu_supports("avx2") != 0 &&
         __builtin_cpu_supports("fma") != 0;
}

void DirectConvolution::compute(const Arguments& arguments, const float* in, int group, int first_tile,
                                int last_tile) const {
  constexpr std::ptrdiff_t kLine = 64;
  const int blocks = shape_.in / kBlock;
  const std::ptrdiff_t floats_of_block = floats_of_tap() * static_cast<std::ptrdiff_t>(taps_.size());
  Piece piece{};
  piece.bias = arguments.bias + group * kGroup;
  piece.in_plane = in_plane_;
  piece.out_plane = out_plane_;
  piece.taps = taps_.data();
  piece.tap_count = static_cast<std::ptrdiff_t>(taps_.size());
  piece.onto_output = arguments.onto_output;
  for (int block = 0; block < blocks; block += piece.blocks) {
    piece.blocks = std::min(blocks_at_once_, blocks - block);
    piece.weights = arguments.weights + (std::ptrdiff_t{group} * blocks + block) * floats_of_block;
    piece.starts = block == 0;
    piece.relu = arguments.relu && block + piece.blocks == blocks;
    const std::ptrdiff_t bytes = piece.blocks * floats_of_block * static_cast<std::ptrdiff_t>(sizeof(float));
    const std::ptrdiff_t bytes_of_tile = piece.blocks * piece.tap_count * kLine;
    const char* ahead = reinterpret_cast<const char*>(piece.weights) + bytes;
    for (int i = first_tile; i < last_tile; ++i) {
      const Tile& tile = tiles_[i];
      const std::ptrdiff_t fetched = (i - first_tile) * bytes_of_tile;
      piece.ahead = fetched < bytes ? ahead + fetched : ahead;
      piece.ahead_step = fetched < bytes ? kLine : 0;
      for (int p = 0; p < tile.count; ++p) {
        piece.in[p] = in + tile.in[p] + block * in_plane_;
        piece.out[p] = arguments.out + tile.out[p] + 2 * group * out_plane_;
      }
      kComputeTile[tile.count - 1](piece);
    }
  }
}

#else

bool DirectConvolution::supports(const ConvolutionShape&) {
  return false;
}

void DirectConvolution::compute(const Arguments&, const float*, int, int, int) const {}

#endif

}  // namespace imageclassifier::model
