#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/result.hpp"

namespace imageclassifier::model {

/// How the user's own classes are learned. The callbacks may be empty.
struct FitOptions {
  std::string images;      ///< a folder with one folder of pictures per class, named as the class
  std::string backbone;    ///< weights file whose network, all but the head, is taken as it is
  std::string output;      ///< .safetensors; replaced when the new one is whole
  double holdout = 0.2;    ///< share of each class that is judged and never fitted, 0 to 0.5; 0: nothing is judged
  std::uint64_t seed = 1;  ///< which pictures are held out
  int threads = 0;         ///< 0: the cores this process may use
  std::function<void(const std::string& step)> on_step;
  std::function<void(std::size_t done, std::size_t count)> on_pictures;  ///< while pictures are read
  /// A picture that cannot be read. Its name is as the file system has it, control characters and all.
  std::function<void(const std::string& label, const std::string& file, const std::string& why)> on_left_out;
};

struct FitReport {
  std::string sha256;  ///< of the file
  std::vector<std::string> labels;
  std::size_t fitted = 0;                   ///< pictures
  std::size_t held_out = 0;                 ///< pictures
  std::size_t left_out = 0;                 ///< pictures that cannot be read
  double top1 = 0;                          ///< share of the held-out pictures that are right
  double temperature = 1;                   ///< calibrated on the held-out pictures
  std::vector<std::vector<int>> confusion;  ///< of the held-out pictures: row: what it is, column: what it is taken for
};

/// Fits a linear head to the backbone's features of the pictures and writes a model of its own: the backbone's tensors
/// and transform, the folders' names in byte order as labels, the temperature, reference logits. Pictures go through
/// the same decoder and transform as uploads. Hidden files and folders are not looked at. The same options and files
/// give the same model on one machine. kNotFound: no such folder or backbone; kInvalidArgument: fewer than two classes,
/// fewer than four readable pictures in one, a folder whose name can be no label (see check_labels), a backbone that
/// does not say how pictures are prepared, or impossible options.
Result<FitReport> fit_model(const FitOptions& options);

}  // namespace imageclassifier::model
