#include "inference-server/model/linear_head.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <deque>
#include <limits>
#include <numeric>
#include <utility>

namespace imageclassifier::model {
namespace {

using Vector = std::vector<double>;

/// In four sums, which do not wait for each other.
double dot(const double* a, const double* b, std::size_t size) {
  std::array<double, 4> sums{};
  std::size_t i = 0;
  for (; i + 4 <= size; i += 4) {
    for (std::size_t k = 0; k < 4; ++k) sums[k] += a[i + k] * b[i + k];
  }
  for (; i < size; ++i) sums[0] += a[i] * b[i];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

double dot(const Vector& a, const Vector& b) {
  return dot(a.data(), b.data(), a.size());
}

void add_scaled(Vector& a, double scale, const Vector& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += scale * b[i];
}

/// Standardised rows with a constant 1 behind the features, for the bias.
struct Samples {
  std::vector<Vector> rows;
  std::vector<int> classes;
};

struct Scaling {
  Vector mean;
  Vector inverse_deviation;  ///< 0 for a constant feature
};

Scaling measure(FeatureRows features) {
  const std::size_t d = features.front().size();
  const auto n = static_cast<double>(features.size());
  Scaling scaling{Vector(d, 0.0), Vector(d, 0.0)};
  for (const auto& row : features) {
    for (std::size_t j = 0; j < d; ++j) scaling.mean[j] += row[j] / n;
  }
  Vector squares(d, 0.0);
  for (const auto& row : features) {
    for (std::size_t j = 0; j < d; ++j) squares[j] += (row[j] - scaling.mean[j]) * (row[j] - scaling.mean[j]) / n;
  }
  for (std::size_t j = 0; j < d; ++j) {
    const double deviation = std::sqrt(squares[j]);
    scaling.inverse_deviation[j] = deviation > 1e-9 * (1 + std::abs(scaling.mean[j])) ? 1 / deviation : 0;
  }
  return scaling;
}

Vector standardise(const std::vector<float>& row, const Scaling& scaling) {
  Vector values;
  values.reserve(row.size() + 1);
  for (std::size_t j = 0; j < row.size(); ++j) {
    values.push_back((row[j] - scaling.mean[j]) * scaling.inverse_deviation[j]);
  }
  values.push_back(1);
  return values;
}

/// Turns scores into probabilities; returns the logarithm of the right one.
double softmax(Vector& scores, int right) {
  const double highest = *std::max_element(scores.begin(), scores.end());
  const double mine = scores[static_cast<std::size_t>(right)] - highest;
  double sum = 0;
  for (double& score : scores) sum += score = std::exp(score - highest);
  for (double& score : scores) score /= sum;
  return mine - std::log(sum);
}

/// Mean log loss plus half the penalty times the weights' squares, over weights of classes x (features + 1).
class Loss {
 public:
  Loss(const Samples& samples, int classes, double penalty)
      : samples_(samples), classes_(static_cast<std::size_t>(classes)), penalty_(penalty) {}

  std::size_t size() const { return classes_ * width(); }

  double operator()(const Vector& weights, Vector* gradient) const {
    const std::size_t d = width();
    const double share = 1 / static_cast<double>(samples_.rows.size());
    double loss = 0;
    if (gradient != nullptr) gradient->assign(size(), 0.0);
    Vector scores(classes_);
    for (std::size_t i = 0; i < samples_.rows.size(); ++i) {
      const double* const row = samples_.rows[i].data();
      for (std::size_t c = 0; c < classes_; ++c) scores[c] = dot(row, &weights[c * d], d);
      loss -= share * softmax(scores, samples_.classes[i]);
      if (gradient == nullptr) continue;
      scores[static_cast<std::size_t>(samples_.classes[i])] -= 1;
      for (std::size_t c = 0; c < classes_; ++c) {
        double* const out = gradient->data() + c * d;
        const double factor = share * scores[c];
        for (std::size_t j = 0; j < d; ++j) out[j] += factor * row[j];
      }
    }
    for (std::size_t k = 0; k < weights.size(); ++k) {
      if (k % d == d - 1) continue;  // the bias is free
      loss += penalty_ / 2 * weights[k] * weights[k];
      if (gradient != nullptr) (*gradient)[k] += penalty_ * weights[k];
    }
    return loss;
  }

 private:
  std::size_t width() const { return samples_.rows.front().size(); }

  const Samples& samples_;
  std::size_t classes_;
  double penalty_;
};

struct Step {
  Vector moved;
  Vector turned;  ///< change of the gradient
  double inverse_product;
};

/// The direction of L-BFGS: the gradient through the curvature that the last steps have seen.
Vector direction_of(const Vector& gradient, const std::deque<Step>& steps) {
  Vector direction = gradient;
  Vector shares(steps.size());
  for (std::size_t i = steps.size(); i-- > 0;) {
    shares[i] = steps[i].inverse_product * dot(steps[i].moved, direction);
    add_scaled(direction, -shares[i], steps[i].turned);
  }
  if (!steps.empty()) {
    const Step& last = steps.back();
    const double scale = 1 / (last.inverse_product * dot(last.turned, last.turned));
    for (double& value : direction) value *= scale;
  }
  for (std::size_t i = 0; i < steps.size(); ++i) {
    add_scaled(direction, shares[i] - steps[i].inverse_product * dot(steps[i].turned, direction), steps[i].moved);
  }
  return direction;
}

Vector minimise(const Loss& loss) {
  constexpr int kMaxSteps = 100;
  constexpr std::size_t kMemory = 10;
  constexpr double kFlat = 1e-4;
  Vector weights(loss.size(), 0.0);
  Vector gradient;
  double value = loss(weights, &gradient);
  std::deque<Step> steps;
  for (int n = 0; n < kMaxSteps && std::sqrt(dot(gradient, gradient)) > kFlat; ++n) {
    const Vector direction = direction_of(gradient, steps);
    const double slope = dot(gradient, direction);
    double length = steps.empty() ? std::min(1.0, 1 / std::sqrt(dot(gradient, gradient))) : 1.0;
    Vector next;
    Vector next_gradient;
    double lower = 0;
    for (;; length /= 2) {
      if (length < 1e-10) return weights;
      next = weights;
      add_scaled(next, -length, direction);
      lower = loss(next, &next_gradient);
      if (lower <= value - 1e-4 * length * slope) break;
    }
    value = lower;
    Step step{next, next_gradient, 0};
    add_scaled(step.moved, -1, weights);
    add_scaled(step.turned, -1, gradient);
    const double product = dot(step.moved, step.turned);
    if (product > 0) {
      step.inverse_product = 1 / product;
      steps.push_back(std::move(step));
      if (steps.size() > kMemory) steps.pop_front();
    }
    weights = std::move(next);
    gradient = std::move(next_gradient);
  }
  return weights;
}

/// Every fifth row of each class, where a class has two rows or more, goes to the second part.
std::pair<Samples, Samples> split(const Samples& all, int class_count) {
  std::vector<int> seen(static_cast<std::size_t>(class_count), 0);
  std::pair<Samples, Samples> parts;
  for (std::size_t i = 0; i < all.rows.size(); ++i) {
    const int nth = seen[static_cast<std::size_t>(all.classes[i])]++;
    Samples& part = nth % 5 == 1 ? parts.second : parts.first;
    part.rows.push_back(all.rows[i]);
    part.classes.push_back(all.classes[i]);
  }
  return parts;
}

double choose_penalty(const Samples& all, int class_count) {
  constexpr double kMiddle = 0.01;
  const auto [fitted, judged] = split(all, class_count);
  if (judged.rows.empty()) return kMiddle;
  double best = kMiddle;
  double least = std::numeric_limits<double>::infinity();
  for (const double penalty : std::array{1.0, 0.1, 0.01, 0.001}) {
    const double loss = Loss(judged, class_count, 0)(minimise(Loss(fitted, class_count, penalty)), nullptr);
    if (loss < least) {
      least = loss;
      best = penalty;
    }
  }
  return best;
}

LinearHead to_head(const Vector& weights, const Scaling& scaling, int class_count) {
  const std::size_t d = scaling.mean.size();
  LinearHead head;
  for (std::size_t c = 0; c < static_cast<std::size_t>(class_count); ++c) {
    const double* const row = &weights[c * (d + 1)];
    double bias = row[d];
    for (std::size_t j = 0; j < d; ++j) {
      const double raw = row[j] * scaling.inverse_deviation[j];
      bias -= raw * scaling.mean[j];
      head.weight.push_back(static_cast<float>(raw));
    }
    head.bias.push_back(static_cast<float>(bias));
  }
  return head;
}

}  // namespace

Result<LinearHead> fit_linear_head(FeatureRows features, std::span<const int> classes, int class_count) {
  const auto valid_class = [&](int c) { return c >= 0 && c < class_count; };
  const auto good = [&](const std::vector<float>& row) {
    return row.size() == features.front().size() &&
           std::all_of(row.begin(), row.end(), [](float value) { return std::isfinite(value); });
  };
  if (features.size() < 2 || classes.size() != features.size() || class_count < 2 || features.front().empty() ||
      !std::all_of(classes.begin(), classes.end(), valid_class) ||
      !std::all_of(features.begin(), features.end(), good)) {
    return fail(ErrorCode::kInvalidArgument, "a head needs finite samples of one width of two classes");
  }
  const Scaling scaling = measure(features);
  Samples samples;
  for (const auto& row : features) samples.rows.push_back(standardise(row, scaling));
  samples.classes.assign(classes.begin(), classes.end());
  const double penalty = choose_penalty(samples, class_count);
  return to_head(minimise(Loss(samples, class_count, penalty)), scaling, class_count);
}

std::vector<std::vector<float>> apply_head(const LinearHead& head, FeatureRows features) {
  std::vector<std::vector<float>> logits;
  for (const auto& row : features) {
    std::vector<float>& scores = logits.emplace_back();
    for (std::size_t c = 0; c < head.bias.size(); ++c) {
      const float* const weight = head.weight.data() + c * row.size();
      scores.push_back(
          static_cast<float>(std::inner_product(row.begin(), row.end(), weight, static_cast<double>(head.bias[c]))));
    }
  }
  return logits;
}

double calibrate_temperature(std::span<const std::vector<float>> logits, std::span<const int> classes) {
  if (logits.empty()) return 1;
  // As Platt (1999) has it, no picture is held for more than (n + 1) / (n + 2) certain: a few that are all right would
  // else have every answer made sure.
  const double doubt = 1 / (static_cast<double>(logits.size()) + 2);
  const auto loss = [&](double log_temperature) {
    double sum = 0;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      Vector scores(logits[i].begin(), logits[i].end());
      for (double& score : scores) score /= std::exp(log_temperature);
      double mean = 0;
      for (const double score : scores) mean += score / static_cast<double>(scores.size());
      const double right = scores[static_cast<std::size_t>(classes[i])];
      sum -= softmax(scores, classes[i]) - doubt * (right - mean);
    }
    return sum;
  };
  // It has one minimum: golden section over the logarithm.
  constexpr double kRatio = 0.6180339887498949;
  double low = std::log(0.25);
  double high = std::log(8.0);
  while (high - low > 1e-4) {
    const double left = high - kRatio * (high - low);
    const double right = low + kRatio * (high - low);
    if (loss(left) < loss(right)) {
      high = right;
    } else {
      low = left;
    }
  }
  return std::exp((low + high) / 2);
}

}  // namespace imageclassifier::model
