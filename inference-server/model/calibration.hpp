#pragma once

#include <functional>
#include <optional>
#include <string>

#include "common/result.hpp"
#include "inference-server/model/model.hpp"
#include "inference-server/preprocess/preprocess.hpp"

namespace imageclassifier::model {

struct CalibrationOptions {
  std::string model;         ///< float32 weights, as load_model reads them
  std::string output;        ///< the .safetensors file to write
  int threads = 0;           ///< 0: the cores this process may use
  std::size_t pictures = 0;  ///< how many `picture` can give
  /// Share of the pictures that are compared whose first class must stay; with less, nothing is written.
  double least_agreement = 0.9;
  /// The n-th picture, through the transform of the model's manifest; nothing: it is no picture, which was told.
  std::function<std::optional<preprocess::Input>(std::size_t n, const preprocess::TransformSpec& transform)> picture;
  std::function<void(const std::string&)> progress;  ///< one line for people per step, and after every few seconds
};

struct CalibrationReport {
  std::string path;
  std::string sha256;
  Calibration calibration;
};

/// Measures the activations of the float32 network on three of four pictures, chooses the ranges of their 8-bit
/// numbers, rounds the weights and writes both with reference logits, in float32 with the rounded weights and in int8;
/// compares int8 with the float32 network as it was on the fourth pictures (at most 128). kInvalidArgument: fewer than
/// 4 pictures, no float32 weights, too little agreement, or an output that check_output refuses; kUnsupported: this
/// processor computes no int8. Nothing is written then.
Result<CalibrationReport> calibrate(const CalibrationOptions& options);

}  // namespace imageclassifier::model
