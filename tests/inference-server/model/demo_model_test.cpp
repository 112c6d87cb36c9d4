#include "inference-server/model/demo_model.hpp"

#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>

#include "inference-server/demo/pictures.hpp"
#include "inference-server/image/decoder.hpp"
#include "inference-server/model/calibration.hpp"
#include "inference-server/model/model.hpp"

using namespace imageclassifier;

namespace {

/// A smaller network and fewer pictures than the real one, which `make demo-model` judges by itself.
model::DemoModelOptions small_options() {
  model::DemoModelOptions options;
  options.architecture = "resnet18";
  options.pictures_per_class = 10;
  options.held_out_per_class = 6;
  options.output = (std::filesystem::temp_directory_path() / ("demo-" + std::to_string(::getpid()))).string();
  return options;
}

constexpr int kClasses = 12;

/// Made once for all tests that look at it.
struct SmallDemo {
  SmallDemo() : made(model::make_demo_model(options)) {}
  ~SmallDemo() { std::filesystem::remove(options.output); }

  model::DemoModelOptions options = small_options();
  Result<model::DemoReport> made;
};

const SmallDemo& small_demo() {
  static const SmallDemo demo;
  if (!demo.made) FAIL(demo.made.error().describe());
  return demo;
}

preprocess::Input draw(std::size_t n, demo::PictureSet set, const preprocess::TransformSpec& transform) {
  const auto index = static_cast<int>(n);
  const auto decoded = image::decode(demo::draw_jpeg(index % kClasses, set, 1, index / kClasses));
  REQUIRE(decoded);
  return preprocess::preprocess(decoded->image, transform);
}

int count_right(model::Model& network, const std::vector<preprocess::Input>& inputs) {
  const auto logits = network.forward(inputs);
  REQUIRE(logits);
  int right = 0;
  for (std::size_t n = 0; n < inputs.size(); ++n) {
    const auto& row = logits->rows[n];
    if (std::max_element(row.begin(), row.end()) - row.begin() == static_cast<int>(n) % kClasses) ++right;
  }
  return right;
}

}  // namespace

TEST_CASE("a small demo model is right about pictures that it has not seen, and says that it is a demo") {
  const model::DemoModelOptions& options = small_demo().options;
  const auto& report = small_demo().made;
  CHECK(report->held_out == 72);
  CHECK(report->top1_held_out >= 0.8);
  model::LoadOptions load;
  load.path = options.output;
  load.expected_sha256 = report->sha256;
  const auto loaded = model::load_model(load);
  REQUIRE(loaded);
  CHECK((*loaded)->info().demo);
  CHECK((*loaded)->manifest().labels == report->labels);
  CHECK(report->labels.size() >= 10);
}

TEST_CASE("int8 is right about as many pictures that a fitted model has not seen as float32") {
  model::CalibrationOptions how;
  how.model = small_demo().options.output;
  how.output = how.model + "-int8";
  how.pictures = 16;
  how.picture = [](std::size_t n, const preprocess::TransformSpec& transform) {
    return std::optional(draw(n, demo::PictureSet::kFitting, transform));
  };
  const auto report = model::calibrate(how);
  if (!report) FAIL(report.error().describe());
  model::LoadOptions load;
  load.path = how.model;
  const auto exact = model::load_model(load);
  REQUIRE(exact);
  load.path = how.output;
  const auto fast = model::load_model(load);
  REQUIRE(fast);
  CHECK((*fast)->info().precision == "int8");
  std::vector<preprocess::Input> inputs;
  for (std::size_t n = 0; n < 5 * kClasses; ++n) {
    inputs.push_back(draw(n, demo::PictureSet::kHeldOut, (*exact)->manifest().transform));
  }
  const int right = count_right(**exact, inputs);
  CHECK(right > 48);
  CHECK(count_right(**fast, inputs) >= right);  // one of 60 is more than half a point
  std::filesystem::remove(how.output);
}

TEST_CASE("the same fit with shuffled labels is at chance") {
  model::DemoModelOptions options = small_options();
  options.output += "-shuffled";
  options.shuffle_labels = true;
  const auto report = model::make_demo_model(options);
  std::filesystem::remove(options.output);
  REQUIRE(report);
  CHECK(report->top1_held_out < 0.3);  // chance is 1 in 12
}

TEST_CASE("impossible options are refused") {
  model::DemoModelOptions options = small_options();
  options.pictures_per_class = 0;
  CHECK_FALSE(model::make_demo_model(options));
  options = small_options();
  options.architecture = "resnet3";
  CHECK_FALSE(model::make_demo_model(options));
}
