#include "inference-server/model/calibration.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <numeric>

#include "inference-server/model/activation_histogram.hpp"
#include "inference-server/model/manifest.hpp"
#include "inference-server/model/mapped_file.hpp"
#include "inference-server/model/onednn_int8_network.hpp"
#include "inference-server/model/onednn_network.hpp"
#include "inference-server/model/quantising.hpp"
#include "inference-server/model/reference_logits.hpp"
#include "inference-server/model/weights_check.hpp"
#include "inference-server/model/weights_file.hpp"

namespace imageclassifier::model {
namespace {

constexpr std::size_t kLeastPictures = 4;
constexpr int kLeastCompared = 8;
constexpr std::size_t kMostHeldOut = 128;
constexpr std::size_t kTop = 5;
constexpr int kLevels = 127;

std::vector<std::size_t> first_classes(const std::vector<float>& row) {
  std::vector<std::size_t> order(row.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto end = order.begin() + static_cast<std::ptrdiff_t>(std::min(kTop, order.size()));
  std::partial_sort(order.begin(), end, order.end(), [&](std::size_t a, std::size_t b) { return row[a] > row[b]; });
  order.erase(end, order.end());
  return order;
}

void compare(const Rows& rows, const Rows& expected, Calibration& calibration) {
  calibration.held_out = static_cast<int>(rows.size());
  const double share = 1 / static_cast<double>(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto order = first_classes(rows[i]);
    const std::size_t right = first_classes(expected[i]).front();
    if (order.front() == right) calibration.top1_agreement += share;
    if (std::find(order.begin(), order.end(), right) != order.end()) calibration.top5_agreement += share;
    const double error = relative_difference({rows[i]}, {expected[i]});
    calibration.mean_logit_error += share * error;
    calibration.worst_logit_error = std::max(calibration.worst_logit_error, error);
  }
}

/// The largest magnitude of a normalised pixel.
float largest_input(const preprocess::TransformSpec& transform) {
  float largest = 0;
  for (std::size_t c = 0; c < 3; ++c) {
    largest = std::max(
        {largest, std::abs(transform.mean[c]) / transform.std[c], std::abs(1 - transform.mean[c]) / transform.std[c]});
  }
  return largest;
}

class Calibrator {
 public:
  Calibrator(const CalibrationOptions& options, const Architecture& architecture, const CheckedWeights& weights,
             Manifest manifest)
      : options_(options), architecture_(architecture), weights_(weights), manifest_(std::move(manifest)) {}

  Result<CalibrationReport> run() {
    for (const auto step : {&Calibrator::measure, &Calibrator::round_weights, &Calibrator::judge, &Calibrator::write}) {
      if (auto done = (this->*step)(); !done) return tl::unexpected(done.error());
    }
    return report_;
  }

 private:
  void say(const std::string& line) const {
    if (options_.progress) options_.progress(line);
  }

  void say_now_and_then(std::size_t done) {
    constexpr std::chrono::seconds kInterval{5};
    const auto now = std::chrono::steady_clock::now();
    if (now - said_ < kInterval) return;
    said_ = now;
    say("measured " + std::to_string(done) + " of " + std::to_string(options_.pictures) + " pictures");
  }

  Result<void> measure() {
    auto network = OnednnNetwork::build(architecture_, weights_.classes, weights_.tensors,
                                        {.side = manifest_.transform.crop, .threads = options_.threads});
    if (!network) return tl::unexpected(network.error());
    say("measuring activations of " + architecture_.name + " on " + std::to_string(options_.pictures) + " pictures");
    std::map<std::string, ActivationHistogram> histograms;
    std::size_t usable = 0;
    for (std::size_t n = 0; n < options_.pictures; ++n) {
      auto input = options_.picture(n, manifest_.transform);
      say_now_and_then(n);
      if (!input) continue;
      if (++usable % 4 == 0 && held_out_.size() < kMostHeldOut) {
        held_out_.push_back(std::move(*input));
        continue;
      }
      ++report_.calibration.pictures;
      auto seen = (*network)->observe(
          *input, [&](const std::string& unit, std::span<const float> values) { histograms[unit].add(values); });
      if (!seen) return seen;
    }
    if (usable < kLeastPictures) {
      return fail(ErrorCode::kInvalidArgument, "calibration needs at least " + std::to_string(kLeastPictures) +
                                                   " pictures, better some hundred; " + std::to_string(usable) +
                                                   " of " + std::to_string(options_.pictures) + " files could be read");
    }
    choose_ranges(histograms);
    auto logits = (*network)->logits(held_out_);
    if (!logits) return tl::unexpected(logits.error());
    expected_ = std::move(*logits);
    return {};
  }

  void choose_ranges(const std::map<std::string, ActivationHistogram>& histograms) {
    auto& ranges = report_.calibration.ranges;
    for (const auto& [unit, histogram] : histograms) ranges[unit] = histogram.best_range(kLevels);
    ranges["input"] = largest_input(manifest_.transform);
  }

  Result<void> round_weights() {
    say("rounding the weights, and computing reference logits with them");
    quantised_ = quantise(architecture_, weights_.classes, weights_.tensors);
    const WeightMap rounded = dequantise(architecture_, quantised_);
    auto reference = make_reference_logits(architecture_, weights_.classes, as_bytes(rounded), manifest_.transform);
    if (!reference) return tl::unexpected(reference.error());
    manifest_.reference = std::move(*reference);
    return {};
  }

  Result<void> judge() {
    say("comparing int8 with float32 on " + std::to_string(held_out_.size()) + " other pictures");
    const auto network = OnednnInt8Network::build(architecture_, quantised_, report_.calibration.ranges,
                                                  {.side = manifest_.transform.crop, .threads = options_.threads});
    if (!network) return tl::unexpected(network.error());
    const auto rows = (*network)->logits(held_out_);
    if (!rows) return tl::unexpected(rows.error());
    compare(*rows, expected_, report_.calibration);
    if (auto good = check_agreement(); !good) return good;
    const ReferenceLogits& reference = *manifest_.reference;
    auto own = (*network)->logits(reference_inputs(manifest_.transform, reference.seed, reference.rows.size()));
    if (!own) return tl::unexpected(own.error());
    report_.calibration.logits = std::move(*own);
    return {};
  }

  Result<void> check_agreement() const {
    const Calibration& found = report_.calibration;
    if (options_.least_agreement == 0) return {};
    if (found.held_out < kLeastCompared) {
      return fail(ErrorCode::kInvalidArgument,
                  "only " + std::to_string(found.held_out) +
                      " pictures were left to compare int8 with float32, which says nothing; give " +
                      "32 at least, better some hundred");
    }
    if (found.mean_logit_error > 1) {
      return fail(
          ErrorCode::kInvalidArgument,
          "int8's logits differ from float32's by more than the largest of them. Give more pictures, of the kind that "
          "the model will see; some networks stay in float32");
    }
    if (found.top1_agreement >= options_.least_agreement) return {};
    char text[200];
    std::snprintf(text, sizeof text,
                  "int8 names float32's class for %.1f %% of %d pictures that were not measured; the least is %.1f %%",
                  found.top1_agreement * 100, found.held_out, options_.least_agreement * 100);
    return fail(
        ErrorCode::kInvalidArgument,
        std::string(text) + ". Give more pictures, of the kind that the model will see; some networks stay in float32");
  }

  Result<void> write() {
    say("writing " + options_.output);
    manifest_.precision = "int8";
    manifest_.calibration = report_.calibration;
    auto digest = write_quantised(options_.output, architecture_, quantised_, to_metadata(manifest_));
    if (!digest) return tl::unexpected(digest.error());
    report_.path = options_.output;
    report_.sha256 = std::move(*digest);
    return {};
  }

  const CalibrationOptions& options_;
  const Architecture& architecture_;
  const CheckedWeights& weights_;
  Manifest manifest_;
  std::vector<preprocess::Input> held_out_;
  Rows expected_;
  QuantisedWeights quantised_;
  CalibrationReport report_;
  std::chrono::steady_clock::time_point said_ = std::chrono::steady_clock::now();
};

}  // namespace

Result<CalibrationReport> calibrate(const CalibrationOptions& options) {
  std::error_code ignored;
  if (std::filesystem::equivalent(options.model, options.output, ignored)) {
    return fail(ErrorCode::kInvalidArgument, "the output would replace the float32 model; give another name");
  }
  if (auto writable = check_output(options.output); !writable) return tl::unexpected(writable.error());
  const auto mapped = MappedFile::open(options.model);
  if (!mapped) return tl::unexpected(mapped.error());
  const auto file = read_intact_weights_file(mapped->bytes());
  if (!file) return tl::unexpected(file.error());
  auto manifest = parse_manifest(file->content.metadata);
  if (!manifest) return tl::unexpected(manifest.error());
  if (manifest->precision != "float32") {
    return fail(ErrorCode::kInvalidArgument, options.model + " is calibrated already; give the float32 model");
  }
  const auto architecture = find_architecture(manifest->architecture);
  if (!architecture) return tl::unexpected(architecture.error());
  const auto weights = check_weights(*architecture, file->content);
  if (!weights) return tl::unexpected(weights.error());
  if (options.progress && !file->content.metadata.contains("resize")) {
    options.progress(options.model +
                     " does not say how pictures are prepared; assumed: shorter side 232 pixels, as for V2. "
                     "inference-server convert --weights V1 makes a file of 256");
  }
  return Calibrator(options, *architecture, *weights, std::move(*manifest)).run();
}

}  // namespace imageclassifier::model
