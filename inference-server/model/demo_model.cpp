#include "inference-server/model/demo_model.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "inference-server/demo/pictures.hpp"
#include "inference-server/demo/random.hpp"
#include "inference-server/image/decoder.hpp"
#include "inference-server/model/edge_filters.hpp"
#include "inference-server/model/head_fit.hpp"
#include "inference-server/model/seeded_weights.hpp"
#include "inference-server/model/torch_module.hpp"

namespace imageclassifier::model {
namespace {

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
    for (const auto step : {&DemoModelMaker::calibrate, &DemoModelMaker::extract, &DemoModelMaker::fit}) {
      if (auto done = (this->*step)(); !done) return tl::unexpected(done.error());
    }
    return report_;
  }

 private:
  void say(const std::string& line) const {
    if (options_.progress) options_.progress(line);
  }

  Result<void> calibrate() {
    const int count = std::min(options_.pictures_per_class * classes_, options_.calibration_pictures);
    say("measuring the batch norms of " + architecture_.name + " on " + std::to_string(count) + " pictures");
    std::vector<preprocess::Input> inputs;
    for (int n = 0; n < count; ++n) {
      auto input = make_input(n, demo::PictureSet::kFitting, options_.seed, manifest_.transform);
      if (!input) return tl::unexpected(input.error());
      inputs.push_back(std::move(*input));
    }
    const auto torch = torch_module();
    if (!torch) return tl::unexpected(torch.error());
    auto statistics = (*torch)->measure_batch_norms(architecture_, classes_, as_bytes(weights_), inputs, {});
    if (!statistics) return tl::unexpected(statistics.error());
    for (auto& [name, values] : *statistics) weights_[name] = std::move(values);
    return {};
  }

  Result<void> extract() {
    auto backbone = build_backbone(architecture_, classes_, as_bytes(weights_), manifest_, options_.threads);
    if (!backbone) return tl::unexpected(backbone.error());
    auto fitted = features_of(**backbone, demo::PictureSet::kFitting, options_.pictures_per_class);
    if (!fitted) return tl::unexpected(fitted.error());
    fitted_ = std::move(*fitted);
    auto held_out = features_of(**backbone, demo::PictureSet::kHeldOut, options_.held_out_per_class);
    if (!held_out) return tl::unexpected(held_out.error());
    held_out_ = std::move(*held_out);
    return {};
  }

  Result<LabelledFeatures> features_of(Engine& backbone, demo::PictureSet set, int per_class) const {
    PictureSource source;
    source.count = static_cast<std::size_t>(per_class * classes_);
    source.class_of = [](std::size_t n) { return class_of(static_cast<int>(n)); };
    source.read = [&](std::size_t n) -> Result<std::optional<preprocess::Input>> {
      return make_input(static_cast<int>(n), set, options_.seed, manifest_.transform);
    };
    const std::string what = set == demo::PictureSet::kFitting ? "fitting" : "held-out";
    source.progress = [&](std::size_t done, std::size_t count) {
      if (done % 96 == 0 || done == count) {
        say(what + " pictures: " + std::to_string(done) + " of " + std::to_string(count));
      }
    };
    return compute_features(backbone, source);
  }

  Result<void> fit() {
    say("fitting the head");
    if (options_.shuffle_labels) {
      demo::Random random(options_.seed);
      std::vector<int>& answers = fitted_.classes;
      for (int last = static_cast<int>(answers.size()) - 1; last > 0; --last) {
        std::swap(answers[static_cast<std::size_t>(last)], answers[static_cast<std::size_t>(random.whole(0, last))]);
      }
    }
    const auto head = fit_and_judge(fitted_, held_out_, classes_);
    if (!head) return tl::unexpected(head.error());
    report_.fitted = fitted_.rows.size();
    report_.held_out = held_out_.rows.size();
    report_.top1_held_out = head->top1;
    say("writing " + options_.output);
    auto digest = write_fitted_model(options_.output, architecture_, as_bytes(weights_), *head, manifest_);
    if (!digest) return tl::unexpected(digest.error());
    report_.sha256 = std::move(*digest);
    return {};
  }

  const DemoModelOptions& options_;
  Architecture architecture_;
  int classes_;
  WeightMap weights_;
  Manifest manifest_;
  DemoReport report_;
  LabelledFeatures fitted_;
  LabelledFeatures held_out_;
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
