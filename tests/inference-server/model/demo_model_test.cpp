#include "inference-server/model/demo_model.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "inference-server/demo/pictures.hpp"
#include "inference-server/image/decoder.hpp"
#include "inference-server/model/calibration.hpp"
#include "inference-server/model/model.hpp"
#include "tests/inference-server/support/camera.hpp"

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

// Under a sanitizer the other sets say nothing new.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::array kInstructionSets{"DEFAULT"};
#else
constexpr std::array kInstructionSets{"DEFAULT", "AVX2", "SSE41"};
#endif

/// Which instructions for int8 the processor has, for the reader of the test's output.
std::string processor() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512vnni") != 0) return "this processor has AVX-512 VNNI";
  if (__builtin_cpu_supports("avx512f") != 0) return "this processor has AVX-512 without VNNI";
  if (__builtin_cpu_supports("avx2") != 0) return "this processor has AVX2, so DEFAULT is AVX2";
#endif
  return "this processor has no AVX2";
}

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

int best(const std::vector<float>& row) {
  return static_cast<int>(std::max_element(row.begin(), row.end()) - row.begin());
}

/// The precision that the model was computed in, and its first class for each of the held-out pictures.
struct Answers {
  std::string precision;
  std::vector<int> classes;

  int right() const {
    int count = 0;
    for (std::size_t n = 0; n < classes.size(); ++n) count += classes[n] == static_cast<int>(n) % kClasses ? 1 : 0;
    return count;
  }
};

constexpr std::size_t kHeldOut = 5 * kClasses;

Answers answers_of(const std::string& path) {
  model::LoadOptions load;
  load.path = path;
  const auto loaded = model::load_model(load);
  if (!loaded) FAIL(loaded.error().describe());
  std::vector<preprocess::Input> inputs;
  for (std::size_t n = 0; n < kHeldOut; ++n) {
    inputs.push_back(draw(n, demo::PictureSet::kHeldOut, (*loaded)->manifest().transform));
  }
  const auto logits = (*loaded)->forward(inputs);
  REQUIRE(logits);
  Answers answers{(*loaded)->info().precision, {}};
  for (const auto& row : logits->rows) answers.classes.push_back(best(row));
  return answers;
}

/// What another process answers that oneDNN holds to this instruction set: it can be chosen before the first use only.
Answers answers_with(const std::string& instruction_set, const std::string& path) {
  const std::string out = path + "-answers";
  const std::string command = "ONEDNN_MAX_CPU_ISA=" + instruction_set + " ANSWERS_OF='" + path + "' ANSWERS_TO='" +
                              out + "' '" + std::filesystem::read_symlink("/proc/self/exe").string() +
                              "' '[answers]' > '" + out + "-log' 2>&1";
  const int status = std::system(command.c_str());
  std::ifstream log(out + "-log");
  INFO(std::string(std::istreambuf_iterator<char>(log), {}));
  REQUIRE(status == 0);
  Answers answers;
  std::ifstream file(out);
  file >> answers.precision;
  for (int one = 0; file >> one;) answers.classes.push_back(one);
  for (const char* end : {"", "-log"}) std::filesystem::remove(out + end);
  return answers;
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

TEST_CASE("int8 is right about as many pictures that a fitted model has not seen as float32, by any instructions") {
  model::CalibrationOptions how;
  how.model = small_demo().options.output;
  how.output = how.model + "-int8";
  how.pictures = 48;
  how.picture = [](std::size_t n, const preprocess::TransformSpec& transform) {
    return std::optional(draw(n, demo::PictureSet::kFitting, transform));
  };
  const auto report = model::calibrate(how);
  if (!report) FAIL(report.error().describe());
  const Answers exact = answers_of(how.model);
  CHECK(exact.precision == "float32");
  CHECK(exact.right() > 48);
  std::string told = "float32: " + std::to_string(exact.right()) + " of " + std::to_string(kHeldOut);
  // One picture of 60 is more than half a point. DEFAULT: all that this processor has.
  for (const char* set : kInstructionSets) {
    INFO(set);
    const Answers fast = answers_with(set, how.output);
    CHECK(fast.precision == "int8");
    REQUIRE(fast.classes.size() == kHeldOut);
    CHECK(fast.right() >= exact.right());
    told += std::string("; int8 with ") + set + ": " + std::to_string(fast.right());
  }
  WARN(told << "; " << processor());
  std::filesystem::remove(how.output);
}

TEST_CASE("what another instruction set answers, for the test that compares them", "[.][answers]") {
  const char* const path = std::getenv("ANSWERS_OF");
  const char* const out = std::getenv("ANSWERS_TO");
  REQUIRE(path != nullptr);
  REQUIRE(out != nullptr);
  const Answers answers = answers_of(path);
  std::ofstream file(out);
  file << answers.precision;
  for (const int one : answers.classes) file << ' ' << one;
}

TEST_CASE("a photo of a camera gets the same answer by the fast decode as by the exact one") {
  model::LoadOptions load;
  load.path = small_demo().options.output;
  const auto loaded = model::load_model(load);
  REQUIRE(loaded);
  const preprocess::TransformSpec& spec = (*loaded)->manifest().transform;
  std::vector<preprocess::Input> fast;
  std::vector<preprocess::Input> exact;
  for (int n = 0; n < 60; ++n) {
    const auto file = test::camera_jpeg(n);
    preprocess::FileOptions options;
    exact.push_back(preprocess::preprocess_file(file, spec, options)->input);
    options.decode.least_shorter_side = 2 * spec.resize;
    fast.push_back(preprocess::preprocess_file(file, spec, options)->input);
    CHECK(fast.back().values != exact.back().values);
  }
  const auto expected = (*loaded)->forward(exact);
  const auto found = (*loaded)->forward(fast);
  REQUIRE(expected);
  REQUIRE(found);
  for (std::size_t n = 0; n < fast.size(); ++n) {
    INFO(n);
    CHECK(best(found->rows[n]) == best(expected->rows[n]));
  }
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
