#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

/// The seam between resample_bilinear() and one file per instruction set; not for use outside this folder.
namespace imageclassifier::preprocess {

inline constexpr int kPrecisionBits = 32 - 8 - 2;
inline constexpr std::int32_t kHalf = 1 << (kPrecisionBits - 1);

/// The fixed-point weights of one axis, one window of source samples per output sample.
struct Weights {
  struct Window {
    int begin;  ///< first source sample
    int count;  ///< source samples
  };
  std::vector<Window> windows;
  std::vector<std::int32_t> values;  ///< stride values per output; those after the window's count are 0
  std::size_t stride = 0;            ///< a multiple of 4
  /// The same as 16-bit factors for multiply-and-add of pairs: per four values their low 15 bits, then the rest.
  /// value = low + high * 2^15, so the sums of both kinds of products give the exact sum.
  std::vector<std::int16_t> halves;  ///< 2 * stride per output

  const std::int32_t* of(std::size_t output) const { return values.data() + output * stride; }
  const std::int16_t* halves_of(std::size_t output) const { return halves.data() + output * stride * 2; }
};

/// Source rows that the horizontal pass takes at once.
inline constexpr std::size_t kRowsAtOnce = 4;
/// Bytes behind the window's last sample that a kernel may read (and ignore), and write behind a row.
inline constexpr std::size_t kSlack = 32;
/// The vertical pass may read and write whole blocks of so many bytes.
inline constexpr std::size_t kBlock = 32;

struct Kernels {
  /// One output row of R G B triples for each of kRowsAtOnce source rows.
  void (*horizontal)(const std::uint8_t* const* in, std::uint8_t* const* out, const Weights& weights);
  /// `output`'s sums over rows[0 .. count of its window), `size` bytes each.
  void (*vertical)(const std::uint8_t* const* rows, std::uint8_t* out, std::size_t size, const Weights& weights,
                   std::size_t output);
};

extern const Kernels kScalarKernels;
#if defined(__x86_64__)
extern const Kernels kAvx2Kernels;
#endif

}  // namespace imageclassifier::preprocess
