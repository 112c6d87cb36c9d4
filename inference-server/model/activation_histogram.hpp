#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace imageclassifier::model {

/// How large the numbers of one activation become, from which the range of its 8-bit numbers is chosen. Magnitudes
/// only.
class ActivationHistogram {
 public:
  /// Widens the range as needed, by powers of two, so that one pass over the pictures is enough.
  void add(std::span<const float> values);
  /// The range that makes the expected squared error least with `steps` steps: clipping rare large values against
  /// coarser steps for all. Above 0 whatever was added.
  float best_range(int steps) const;

 private:
  static constexpr std::size_t kBins = 4096;

  void widen();

  float range_ = 0;
  std::vector<std::uint64_t> bins_ = std::vector<std::uint64_t>(kBins);
};

}  // namespace imageclassifier::model
