#include "inference-server/model/demo_model.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

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

}  // namespace

TEST_CASE("a small demo model is right about pictures that it has not seen, and says that it is a demo") {
  const model::DemoModelOptions options = small_options();
  const auto report = model::make_demo_model(options);
  if (!report) FAIL(report.error().describe());
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
  std::filesystem::remove(options.output);
}

TEST_CASE("the same fit with shuffled labels is at chance") {
  model::DemoModelOptions options = small_options();
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
