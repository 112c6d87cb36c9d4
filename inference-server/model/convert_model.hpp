#pragma once

#include <string>

#include "common/result.hpp"
#include "inference-server/model/labels.hpp"

namespace imageclassifier::model {

enum class WeightsVersion {
  kAsTheFile,  ///< the manifest of a safetensors file stays; a file without one is refused
  kV1,         ///< shorter side 256 pixels, then 224: torchvision's IMAGENET1K_V1, and most training scripts
  kV2          ///< shorter side 232 pixels, then 224: torchvision's IMAGENET1K_V2
};

struct ConvertOptions {
  std::string input;         ///< .pth or .safetensors
  std::string output;        ///< .safetensors; replaced when the new one is whole
  std::string architecture;  ///< must be that of the tensors; empty: whatever they are
  WeightsVersion weights = WeightsVersion::kAsTheFile;
  Labels labels;  ///< as many as the model has outputs; no names: the file's own, or none
};

struct ConvertReport {
  std::string path;
  std::string sha256;
  std::string architecture;
  int classes = 0;
};

/// Writes a weights file as safetensors with a whole manifest, reference logits included; the tensors keep every bit.
/// What inference does not need
/// (`num_batches_tracked`) is left out. kInvalidArgument: the options do not fit the file; errors of read_weights_file.
Result<ConvertReport> convert_model(const ConvertOptions& options);

}  // namespace imageclassifier::model
