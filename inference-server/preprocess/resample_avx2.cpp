#if defined(__x86_64__)
#include <immintrin.h>

#include "inference-server/preprocess/resample_kernels.hpp"

// The attribute instead of a compiler flag for the file: inline functions of headers stay runnable everywhere.
#define IC_AVX2 [[gnu::target("avx2")]]

namespace imageclassifier::preprocess {
namespace {

IC_AVX2 inline __m128i load_128(const void* from) {
  return _mm_loadu_si128(static_cast<const __m128i*>(from));
}

IC_AVX2 inline __m256i load_256(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}

/// Both halves of the products to sums of 22 fractional bits, rounded and cut.
IC_AVX2 inline __m256i join(__m256i low, __m256i high) {
  const __m256i sum = _mm256_add_epi32(_mm256_add_epi32(low, _mm256_set1_epi32(kHalf)), _mm256_slli_epi32(high, 15));
  return _mm256_srai_epi32(sum, kPrecisionBits);
}

/// R G B of four pixels to pairs of neighbours, 16 bits each: (r0 r1)(g0 g1)(b0 b1)(0 0) and the same of pixels 2, 3.
IC_AVX2 inline __m256i spread_pixels(const std::uint8_t* pixels) {
  const __m256i order = _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1,  //
                                         6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
  return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(load_128(pixels)), order);
}

IC_AVX2 void horizontal(const std::uint8_t* const* in, std::uint8_t* const* out, const Weights& weights) {
  const __m256i pick_low = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
  const __m256i pick_high = _mm256_setr_epi32(2, 2, 2, 2, 3, 3, 3, 3);
  const std::size_t outputs = weights.windows.size();
  for (std::size_t x = 0; x < outputs; ++x) {
    const Weights::Window window = weights.windows[x];
    const std::int16_t* halves = weights.halves_of(x);
    __m256i low[kRowsAtOnce];
    __m256i high[kRowsAtOnce];
    for (std::size_t row = 0; row < kRowsAtOnce; ++row) low[row] = high[row] = _mm256_setzero_si256();
    std::ptrdiff_t offset = static_cast<std::ptrdiff_t>(window.begin) * 3;
    for (int k = 0; k < window.count; k += 4, offset += 12, halves += 8) {
      const __m256 four = _mm256_castsi256_ps(_mm256_broadcastsi128_si256(load_128(halves)));
      const __m256i low_weights = _mm256_castps_si256(_mm256_permutevar_ps(four, pick_low));
      const __m256i high_weights = _mm256_castps_si256(_mm256_permutevar_ps(four, pick_high));
      for (std::size_t row = 0; row < kRowsAtOnce; ++row) {
        const __m256i pixels = spread_pixels(in[row] + offset);
        low[row] = _mm256_add_epi32(low[row], _mm256_madd_epi16(pixels, low_weights));
        high[row] = _mm256_add_epi32(high[row], _mm256_madd_epi16(pixels, high_weights));
      }
    }
    for (std::size_t row = 0; row < kRowsAtOnce; ++row) {
      const __m256i sum = _mm256_add_epi32(low[row], _mm256_slli_epi32(high[row], 15));
      const __m128i both = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
      const __m128i whole = _mm_srai_epi32(_mm_add_epi32(both, _mm_set1_epi32(kHalf)), kPrecisionBits);
      const __m128i words = _mm_packs_epi32(whole, whole);
      // Four bytes: the next pixel overwrites the fourth.
      _mm_storeu_si32(out[row] + x * 3, _mm_packus_epi16(words, words));
    }
  }
}

/// Bytes of two rows to pairs of 16 bits, multiplied and added to the sums of 32 columns.
IC_AVX2 inline void add_pair(const std::uint8_t* upper, const std::uint8_t* lower, __m256i low_weights,
                             __m256i high_weights, __m256i (&low)[4], __m256i (&high)[4]) {
  const __m256i a = load_256(upper);
  const __m256i b = load_256(lower);
  const __m256i zero = _mm256_setzero_si256();
  const __m256i first = _mm256_unpacklo_epi8(a, b);
  const __m256i second = _mm256_unpackhi_epi8(a, b);
  const __m256i pairs[4] = {_mm256_unpacklo_epi8(first, zero), _mm256_unpackhi_epi8(first, zero),
                            _mm256_unpacklo_epi8(second, zero), _mm256_unpackhi_epi8(second, zero)};
  for (int i = 0; i < 4; ++i) {
    low[i] = _mm256_add_epi32(low[i], _mm256_madd_epi16(pairs[i], low_weights));
    high[i] = _mm256_add_epi32(high[i], _mm256_madd_epi16(pairs[i], high_weights));
  }
}

IC_AVX2 inline __m256i pair_of(const std::int16_t* weights) {
  return _mm256_broadcastd_epi32(_mm_loadu_si32(weights));
}

IC_AVX2 void vertical(const std::uint8_t* const* rows, std::uint8_t* out, std::size_t size, const Weights& weights,
                      std::size_t output) {
  const int count = weights.windows[output].count;
  for (std::size_t begin = 0; begin < size; begin += kBlock) {
    const std::int16_t* halves = weights.halves_of(output);
    __m256i low[4];
    __m256i high[4];
    for (int i = 0; i < 4; ++i) low[i] = high[i] = _mm256_setzero_si256();
    for (int k = 0; k < count; k += 2) {
      // The weight behind an odd count is 0.
      const std::uint8_t* lower = rows[k + 1 < count ? k + 1 : k];
      add_pair(rows[k] + begin, lower + begin, pair_of(halves), pair_of(halves + 4), low, high);
      halves += k % 4 == 0 ? 2 : 6;
    }
    // The order of the unpacking is undone by that of the packing.
    const __m256i left = _mm256_packs_epi32(join(low[0], high[0]), join(low[1], high[1]));
    const __m256i right = _mm256_packs_epi32(join(low[2], high[2]), join(low[3], high[3]));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + begin), _mm256_packus_epi16(left, right));
  }
}

}  // namespace

const Kernels kAvx2Kernels{horizontal, vertical};

}  // namespace imageclassifier::preprocess
#endif
