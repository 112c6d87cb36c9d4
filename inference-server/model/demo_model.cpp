#include "inference-server/model/demo_model.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "inference-server/demo/pictures.hpp"
#include "inference-server/demo/random.hpp"
#include "inference-server/image/decoder.hpp"
#include "inference-server/model/edge_filters.hpp"
#include "inference-server/model/linear_head.hpp"
#include "inference-server/model/reference_logits.hpp"
#include "inference-server/model/seeded_weights.hpp"
#include "inference-server/model/torch_module.hpp"
#include "inference-server/model/weights_file.hpp"
#include "inference-server/postprocess/top_k.hpp"

namespace imageclassifier::model {
namespace {

constexpr std::size_t kBatch = 8;

/// The right answer of the n-th picture: the classes take turns, so that every beginning is balanced.
int class_of(int n) {
  return n % static_cast<int>(demo::labels().size());
}

/// The n-th picture of a set, through the same decoder and transform as an upload.
Result<preprocess::Input> make_input(int n, demo::PictureSet set, std::uint64_t seed,
                                     const preprocess::TransformSpec& transform) {
  const int index = n / static_cast<int>(demo::labels().size());
  const auto decoded = image::decode(demo::draw_jpeg(class_of(n), set, seed, index));
  if (!decoded) return fail(ErrorCode::kInternal, "a drawn picture does not decode: " + decoded.error().message);
  return preprocess::preprocess(decoded->image, transform);
}

class DemoModelMaker {
 public:
  DemoModelMaker(const DemoModelOptions& options, Architecture architecture)
      : options_(options),
        architecture_(std::move(architecture)),
        classes_(static_cast<int>(demo::labels().size())),
        weights_(make_seeded_weights(architecture_, classes_, options.seed)) {
    weights_["conv1.weight"] = make_edge_filters();
    manifest_.architecture = architecture_.name;
    manifest_.weights = "demo";
    manifest_.labels = demo::labels();
  }

  Result<DemoReport> run() {
    report_.path = options_.output;
    report_.labels = demo::labels();
    for (const auto step : {&DemoModelMaker::draw, &DemoModelMaker::calibrate, &DemoModelMaker::extract,
                            &DemoModelMaker::fit, &DemoModelMaker::write, &DemoModelMaker::judge}) {
      if (auto done = (this->*step)(); !done) return tl::unexpected(done.error());
    }
    return report_;
  }

 private:
  void say(const std::string& line) const {
    if (options_.progress) options_.progress(line);
  }

  Result<void> draw() {
    report_.fitted = options_.pictures_per_class * classes_;
    say("drawing " + std::to_string(report_.fitted) + " pictures of " + std::to_string(classes_) + " classes");
    for (int n = 0; n < report_.fitted; ++n) {
      auto input = make_input(n, demo::PictureSet::kFitting, options_.seed, manifest_.transform);
      if (!input) return tl::unexpected(input.error());
      inputs_.push_back(std::move(*input));
      answers_.push_back(class_of(n));
    }
    return {};
  }

  Result<void> calibrate() {
    const auto count = std::min(inputs_.size(), static_cast<std::size_t>(options_.calibration_pictures));
    say("measuring the batch norms of " + architecture_.name + " on " + std::to_string(count) + " pictures");
    const auto torch = torch_module();
    if (!torch) return tl::unexpected(torch.error());
    auto statistics =
        (*torch)->measure_batch_norms(architecture_, classes_, as_bytes(weights_), std::span(inputs_).first(count), {});
    if (!statistics) return tl::unexpected(statistics.error());
    for (auto& [name, values] : *statistics) weights_[name] = std::move(values);
    return {};
  }

  Result<void> extract() {
    const auto torch = torch_module();
    if (!torch) return tl::unexpected(torch.error());
    auto network = (*torch)->build(architecture_, classes_, as_bytes(weights_), options_.threads);
    if (!network) return tl::unexpected(network.error());
    for (std::size_t begin = 0; begin < inputs_.size(); begin += kBatch) {
      if (begin % (12 * kBatch) == 0) {
        say("computing features: " + std::to_string(begin) + " of " + std::to_string(inputs_.size()));
      }
      const auto batch = std::span(inputs_).subspan(begin, std::min(kBatch, inputs_.size() - begin));
      auto rows = (*network)->features(batch);
      if (!rows) return tl::unexpected(rows.error());
      std::move(rows->begin(), rows->end(), std::back_inserter(features_));
    }
    inputs_.clear();
    return {};
  }

  Result<void> fit() {
    say("fitting the head");
    if (options_.shuffle_labels) {
      demo::Random random(options_.seed);
      for (int last = static_cast<int>(answers_.size()) - 1; last > 0; --last) {
        std::swap(answers_[static_cast<std::size_t>(last)], answers_[static_cast<std::size_t>(random.whole(0, last))]);
      }
    }
    auto head = fit_linear_head(features_, answers_, classes_);
    if (!head) return tl::unexpected(head.error());
    report_.top1_leave_one_out = head->leave_one_out;
    weights_["fc.weight"] = std::move(head->weight);
    weights_["fc.bias"] = std::move(head->bias);
    return {};
  }

  Result<void> write() {
    say("computing reference logits");
    auto reference = make_reference_logits(architecture_, classes_, as_bytes(weights_), manifest_.transform);
    if (!reference) return tl::unexpected(reference.error());
    manifest_.reference = std::move(*reference);
    say("writing " + options_.output);
    auto digest = write_weights(options_.output, architecture_, classes_, as_bytes(weights_), manifest_);
    if (!digest) return tl::unexpected(digest.error());
    report_.sha256 = std::move(*digest);
    return {};
  }

  Result<void> judge() {
    LoadOptions load;
    load.path = options_.output;
    load.threads = options_.threads;
    const auto model = load_model(load);
    if (!model) return tl::unexpected(model.error());
    report_.held_out = options_.held_out_per_class * classes_;
    if (report_.held_out == 0) return {};
    say("judging " + std::to_string(report_.held_out) + " held-out pictures");
    int right = 0;
    for (int begin = 0; begin < report_.held_out; begin += static_cast<int>(kBatch)) {
      const auto count = judge_batch(**model, begin, std::min(report_.held_out, begin + static_cast<int>(kBatch)));
      if (!count) return tl::unexpected(count.error());
      right += *count;
    }
    report_.top1_held_out = static_cast<double>(right) / report_.held_out;
    return {};
  }

  Result<int> judge_batch(Model& model, int begin, int end) const {
    std::vector<preprocess::Input> inputs;
    for (int n = begin; n < end; ++n) {
      auto input = make_input(n, demo::PictureSet::kHeldOut, options_.seed, manifest_.transform);
      if (!input) return tl::unexpected(input.error());
      inputs.push_back(std::move(*input));
    }
    const auto logits = model.forward(inputs);
    if (!logits) return tl::unexpected(logits.error());
    int right = 0;
    for (int n = begin; n < end; ++n) {
      const auto& row = logits->rows[static_cast<std::size_t>(n - begin)];
      if (postprocess::top_k(row, manifest_.labels, 1).front().index == class_of(n)) ++right;
    }
    return right;
  }

  const DemoModelOptions& options_;
  Architecture architecture_;
  int classes_;
  WeightMap weights_;
  Manifest manifest_;
  DemoReport report_;
  std::vector<preprocess::Input> inputs_;
  std::vector<int> answers_;
  Rows features_;
};

}  // namespace

Result<DemoReport> make_demo_model(const DemoModelOptions& options) {
  if (options.pictures_per_class < 1 || options.pictures_per_class > 1000 || options.held_out_per_class < 0 ||
      options.held_out_per_class > 1000 || options.calibration_pictures < 2 || options.output.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                "a demo model needs an output file, 1 to 1000 pictures per class and 2 for calibration");
  }
  auto architecture = find_architecture(options.architecture);
  if (!architecture) return tl::unexpected(architecture.error());
  return DemoModelMaker(options, std::move(*architecture)).run();
}

}  // namespace imageclassifier::model
