#pragma once

#include <string>

#include "common/result.hpp"

namespace imageclassifier::model {

/// What one layer of the kind that most of a ResNet's work is in (3x3, 256 channels, 14 x 14 places) takes, in seconds.
struct LayerSpeed {
  double float32 = 0;
  double other = 0;
};

/// Times the layer in float32 and in `precision` ("int8" or "bfloat16") by oneDNN, so that a precision that this
/// processor computes slowly is known before a network is built in it: the processor time of the calling thread alone,
/// whatever else runs beside, the best of a few runs. Takes some 20 ms and 10 MB, which are given back. kUnsupported:
/// oneDNN has no code for it.
Result<LayerSpeed> measure_layer(const std::string& precision);

}  // namespace imageclassifier::model
