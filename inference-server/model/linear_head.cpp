#include "inference-server/model/linear_head.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>

namespace imageclassifier::model {
namespace {

/// Row-major.
struct Matrix {
  std::size_t rows;
  std::size_t columns;
  std::vector<double> values;

  Matrix(std::size_t r, std::size_t c) : rows(r), columns(c), values(r * c, 0.0) {}
  double* row(std::size_t r) { return values.data() + r * columns; }
  const double* row(std::size_t r) const { return values.data() + r * columns; }
};

struct Standardised {
  Matrix samples;
  std::vector<double> mean;
  std::vector<double> inverse_deviation;  ///< 0 for a constant feature
};

Standardised standardise(std::span<const std::vector<float>> features) {
  const std::size_t n = features.size();
  const std::size_t d = features.front().size();
  Standardised result{Matrix(n, d), std::vector<double>(d), std::vector<double>(d)};
  for (std::size_t j = 0; j < d; ++j) {
    double sum = 0;
    double squares = 0;
    for (const auto& row : features) sum += row[j];
    const double mean = sum / static_cast<double>(n);
    for (const auto& row : features) squares += (row[j] - mean) * (row[j] - mean);
    const double deviation = std::sqrt(squares / static_cast<double>(n));
    result.mean[j] = mean;
    result.inverse_deviation[j] = deviation > 1e-9 * (1 + std::abs(mean)) ? 1 / deviation : 0;
    for (std::size_t i = 0; i < n; ++i) {
      result.samples.row(i)[j] = (features[i][j] - mean) * result.inverse_deviation[j];
    }
  }
  return result;
}

/// samples * samples^T / features: about 1 on the diagonal.
Matrix make_kernel(const Matrix& samples) {
  Matrix kernel(samples.rows, samples.rows);
  for (std::size_t i = 0; i < samples.rows; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = 0;
      for (std::size_t k = 0; k < samples.columns; ++k) sum += samples.row(i)[k] * samples.row(j)[k];
      kernel.row(i)[j] = kernel.row(j)[i] = sum / static_cast<double>(samples.columns);
    }
  }
  return kernel;
}

/// Inverse of the positive definite kernel + penalty * I, by Gauss-Jordan without pivoting.
Matrix invert(const Matrix& kernel, double penalty) {
  const std::size_t n = kernel.rows;
  Matrix m = kernel;
  for (std::size_t i = 0; i < n; ++i) m.row(i)[i] += penalty;
  for (std::size_t pivot = 0; pivot < n; ++pivot) {
    double* pivot_row = m.row(pivot);
    const double inverse = 1 / pivot_row[pivot];
    pivot_row[pivot] = 1;
    for (std::size_t j = 0; j < n; ++j) pivot_row[j] *= inverse;
    for (std::size_t i = 0; i < n; ++i) {
      if (i == pivot) continue;
      double* row = m.row(i);
      const double factor = row[pivot];
      row[pivot] = 0;
      for (std::size_t j = 0; j < n; ++j) row[j] -= factor * pivot_row[j];
    }
  }
  return m;
}

struct Fit {
  Matrix coefficients{0, 0};  ///< samples x classes
  Matrix left_out{0, 0};      ///< each sample's scores by a fit without it
  double loss = std::numeric_limits<double>::infinity();
  double scale = 1;
};

Fit fit(const Matrix& kernel, const Matrix& targets, const std::vector<double>& priors, double penalty) {
  const std::size_t n = kernel.rows;
  const Matrix inverse = invert(kernel, penalty);
  Fit result;
  result.coefficients = Matrix(n, targets.columns);
  result.left_out = Matrix(n, targets.columns);
  for (std::size_t i = 0; i < n; ++i) {
    double* out = result.coefficients.row(i);
    for (std::size_t k = 0; k < n; ++k) {
      for (std::size_t c = 0; c < targets.columns; ++c) {
        out[c] += inverse.row(i)[k] * (targets.row(k)[c] - priors[c]);
      }
    }
    const double leverage_rest = std::max(penalty * inverse.row(i)[i] - 1 / static_cast<double>(n), 1e-6);
    for (std::size_t c = 0; c < targets.columns; ++c) {
      result.left_out.row(i)[c] = targets.row(i)[c] - penalty * out[c] / leverage_rest;
    }
  }
  return result;
}

double log_loss(const Matrix& scores, std::span<const int> classes, double scale) {
  double loss = 0;
  for (std::size_t i = 0; i < scores.rows; ++i) {
    const double* row = scores.row(i);
    const double highest = *std::max_element(row, row + scores.columns);
    double sum = 0;
    for (std::size_t c = 0; c < scores.columns; ++c) sum += std::exp(scale * (row[c] - highest));
    loss += std::log(sum) - scale * (row[classes[i]] - highest);
  }
  return loss / static_cast<double>(scores.rows);
}

void choose_scale(Fit& fit, std::span<const int> classes) {
  for (double scale = 0.125; scale <= 128; scale *= 1.1892071150027210) {
    const double loss = log_loss(fit.left_out, classes, scale);
    if (loss < fit.loss) {
      fit.loss = loss;
      fit.scale = scale;
    }
  }
}

double share_right(const Matrix& scores, std::span<const int> classes) {
  std::size_t right = 0;
  for (std::size_t i = 0; i < scores.rows; ++i) {
    const double* row = scores.row(i);
    if (std::max_element(row, row + scores.columns) - row == classes[i]) ++right;
  }
  return static_cast<double>(right) / static_cast<double>(scores.rows);
}

LinearHead to_head(const Fit& fit, const Standardised& data, const std::vector<double>& priors) {
  const std::size_t d = data.samples.columns;
  LinearHead head;
  for (std::size_t c = 0; c < priors.size(); ++c) {
    std::vector<double> weight(d, 0.0);
    for (std::size_t i = 0; i < data.samples.rows; ++i) {
      const double share = fit.coefficients.row(i)[c] / static_cast<double>(d);
      for (std::size_t j = 0; j < d; ++j) weight[j] += share * data.samples.row(i)[j];
    }
    double bias = priors[c];
    for (std::size_t j = 0; j < d; ++j) {
      const double raw = weight[j] * data.inverse_deviation[j];
      bias -= raw * data.mean[j];
      head.weight.push_back(static_cast<float>(fit.scale * raw));
    }
    head.bias.push_back(static_cast<float>(fit.scale * bias));
  }
  return head;
}

}  // namespace

Result<LinearHead> fit_linear_head(std::span<const std::vector<float>> features, std::span<const int> classes,
                                   int class_count) {
  const auto valid_class = [&](int c) { return c >= 0 && c < class_count; };
  const auto same_width = [&](const std::vector<float>& row) { return row.size() == features.front().size(); };
  if (features.size() < 3 || classes.size() != features.size() || class_count < 1 ||
      !std::all_of(classes.begin(), classes.end(), valid_class) ||
      !std::all_of(features.begin(), features.end(), same_width) || features.front().empty()) {
    return fail(ErrorCode::kInvalidArgument, "a head needs three samples of one width with a class each");
  }
  const Standardised data = standardise(features);
  const Matrix kernel = make_kernel(data.samples);
  Matrix targets(features.size(), static_cast<std::size_t>(class_count));
  std::vector<double> priors(targets.columns, 0.0);
  for (std::size_t i = 0; i < classes.size(); ++i) {
    targets.row(i)[classes[i]] = 1;
    priors[static_cast<std::size_t>(classes[i])] += 1 / static_cast<double>(classes.size());
  }
  Fit best;
  for (const double penalty : std::array{1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0}) {
    Fit candidate = fit(kernel, targets, priors, penalty);
    choose_scale(candidate, classes);
    if (candidate.loss < best.loss) best = std::move(candidate);
  }
  if (!std::isfinite(best.loss)) return fail(ErrorCode::kInvalidArgument, "the features are not finite");
  LinearHead head = to_head(best, data, priors);
  head.leave_one_out = share_right(best.left_out, classes);
  return head;
}

}  // namespace imageclassifier::model
