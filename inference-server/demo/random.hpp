#pragma once

#include <cstdint>

namespace imageclassifier::demo {

/// SplitMix64 (Steele, Lea, Flood 2014), so that a seed means the same picture everywhere. Not thread safe.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }

  /// low <= value < high.
  float real(float low, float high) { return low + (high - low) * static_cast<float>(next() >> 40) * 0x1p-24F; }

  /// low <= value <= high.
  int whole(int low, int high) { return low + static_cast<int>(next() % static_cast<std::uint64_t>(high - low + 1)); }

  bool chance(float probability) { return real(0, 1) < probability; }

 private:
  std::uint64_t state_;
};

}  // namespace imageclassifier::demo
