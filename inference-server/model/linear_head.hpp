#pragma once

#include <span>
#include <vector>

#include "common/result.hpp"

namespace imageclassifier::model {

/// logits = weight * features + bias, as torchvision's `fc`.
struct LinearHead {
  std::vector<float> weight;  ///< classes x features, row-major
  std::vector<float> bias;
};

using FeatureRows = std::span<const std::vector<float>>;

/// Multinomial logistic regression over standardised features, in double precision, by L-BFGS (Nocedal, Wright:
/// Numerical Optimization, 7.2) from zero: the same rows give the same head. The weights' squares are penalised; the
/// strength is the one with the least log loss on a fifth of each class that is left out for that choice, then all rows
/// are fitted. `classes` holds one index per row. kInvalidArgument for ragged, too few or infinite rows.
Result<LinearHead> fit_linear_head(FeatureRows features, std::span<const int> classes, int class_count);

/// One row of logits per row of features.
std::vector<std::vector<float>> apply_head(const LinearHead& head, FeatureRows features);

/// The temperature from 0.25 to 8 that gives softmax(logits / temperature) the least log loss (Guo et al. 2017: On
/// Calibration of Modern Neural Networks), where no row counts as quite certain (Platt 1999: Probabilistic Outputs for
/// Support Vector Machines); 1 without rows.
double calibrate_temperature(std::span<const std::vector<float>> logits, std::span<const int> classes);

}  // namespace imageclassifier::model
