#pragma once

#include <span>
#include <vector>

#include "common/result.hpp"

namespace imageclassifier::model {

/// logits = weight * features + bias, as torchvision's `fc`.
struct LinearHead {
  std::vector<float> weight;  ///< classes x features, row-major
  std::vector<float> bias;
  double leave_one_out = 0;  ///< share of the samples that are right when left out of the fit
};

/// Ridge regression onto one-hot classes over standardised features, in double precision, solved in the dual (n x n,
/// so that few samples with many features are cheap). The penalty and the scale that turns scores into logits minimise
/// the leave-one-out log loss, which ridge regression gives in closed form (Hastie, Tibshirani, Friedman, 7.10).
/// `classes` holds one index per row of `features`. kInvalidArgument for ragged or too few rows.
Result<LinearHead> fit_linear_head(std::span<const std::vector<float>> features, std::span<const int> classes,
                                   int class_count);

}  // namespace imageclassifier::model
