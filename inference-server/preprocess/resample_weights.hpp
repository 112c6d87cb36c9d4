#pragma once

#include "inference-server/preprocess/resample_kernels.hpp"

namespace imageclassifier::preprocess {

/// One axis of a resize: outputs first .. first + count of out_size, over in_begin .. in_begin + in_length of in_size
/// samples.
struct Axis {
  int in_size = 0;
  double in_begin = 0;
  double in_length = 0;
  int out_size = 0;
  int first = 0;
  int count = 0;
  bool mirrored = false;  ///< the samples come in the opposite order, and so go the outputs
};

/// The weights as Pillow computes them (src/libImaging/Resample.c, precompute_coeffs and normalize_coeffs_8bpc).
Weights make_weights(const Axis& axis);

inline std::size_t round_up(std::size_t value, std::size_t to) {
  return (value + to - 1) / to * to;
}

}  // namespace imageclassifier::preprocess
