#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/result.hpp"

namespace imageclassifier::model {

/// How the demo model is made. The defaults give the model of `make demo-model`.
struct DemoModelOptions {
  std::string output;                      ///< the .safetensors file to write
  std::string architecture = "resnet101";  ///< the tests take a smaller one
  std::uint64_t seed = 1;                  ///< of the backbone and of the fitting pictures
  int pictures_per_class = 30;             ///< fitted; drawn, never from the held-out set
  int held_out_per_class = 10;             ///< judged, never fitted; 0: not judged
  int calibration_pictures = 48;           ///< of the fitting pictures, for the batch-norm statistics
  bool shuffle_labels = false;             ///< deal the fitting labels at random: the answers must fall to chance
  int threads = 0;                         ///< 0: the cores this process may use
  std::function<void(const std::string&)> progress;  ///< one line for people per step
};

struct DemoReport {
  std::string path;
  std::string sha256;  ///< of the file
  std::vector<std::string> labels;
  std::size_t fitted = 0;    ///< pictures
  std::size_t held_out = 0;  ///< pictures
  double top1_held_out = 0;  ///< share of the held-out pictures that are right
};

/// Makes a model whose answers are right without a download: a seeded backbone, batch-norm statistics measured layer by
/// layer on drawn pictures, and a head fitted to the backbone's features as fit_model does it; the held-out pictures
/// decide the temperature alone. The manifest says weights="demo". The same options give the same file on one machine.
/// kInvalidArgument for impossible options.
Result<DemoReport> make_demo_model(const DemoModelOptions& options);

}  // namespace imageclassifier::model
