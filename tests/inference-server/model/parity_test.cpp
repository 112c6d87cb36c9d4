#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>

#include "inference-server/model/model.hpp"
#include "inference-server/model/seeded_weights.hpp"
#include "inference-server/model/weights_file.hpp"
#include "tests/inference-server/support/pictures.hpp"

using namespace imageclassifier;

namespace {

struct Golden {
  std::string architecture;
  int classes = 0;
  std::uint64_t seed = 0;
  std::string sha256;
  int inputs = 0;
  std::vector<std::vector<float>> rows;
};

/// parity.txt: a line per network, then one line of logits per input; input i is noise with the seed i + 1.
std::vector<Golden> read_goldens() {
  std::ifstream in(test::kGoldens + "parity.txt");
  std::vector<Golden> goldens;
  Golden golden;
  while (in >> golden.architecture >> golden.classes >> golden.seed >> golden.sha256 >> golden.inputs) {
    golden.rows.assign(static_cast<std::size_t>(golden.inputs),
                       std::vector<float>(static_cast<std::size_t>(golden.classes)));
    for (auto& row : golden.rows) {
      for (float& value : row) in >> value;
    }
    goldens.push_back(golden);
  }
  return goldens;
}

/// The seeded weights in a file of their own, removed at the end.
class SeededFile {
 public:
  explicit SeededFile(const Golden& golden)
      : path_((std::filesystem::temp_directory_path() / ("parity-" + std::to_string(::getpid()))).string()) {
    const auto architecture = *model::find_architecture(golden.architecture);
    model::Manifest manifest;
    manifest.architecture = golden.architecture;
    manifest.weights = "seeded";
    const auto weights = model::make_seeded_weights(architecture, golden.classes, golden.seed);
    REQUIRE(model::write_weights(path_, architecture, golden.classes, model::as_bytes(weights), manifest));
  }
  ~SeededFile() { std::filesystem::remove(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::vector<preprocess::Input> make_inputs(int count) {
  std::vector<preprocess::Input> inputs;
  preprocess::TransformSpec spec;
  spec.resize = spec.crop;
  for (int i = 0; i < count; ++i) {
    inputs.push_back(preprocess::preprocess(test::noise(224, 224, static_cast<std::uint32_t>(i + 1)), spec));
  }
  return inputs;
}

float largest(const std::vector<float>& values) {
  float largest = 0;
  for (const float value : values) largest = std::max(largest, std::abs(value));
  return largest;
}

float largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  float largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

}  // namespace

TEST_CASE("logits agree with torchvision's network that read the same file, alone and in a batch") {
  const auto goldens = read_goldens();
  REQUIRE(goldens.size() == 5);
  const std::string engine = GENERATE("onednn", "libtorch");
  for (const Golden& golden : goldens) {
    const SeededFile file(golden);
    model::LoadOptions options;
    options.engine = engine;
    options.threads = 1;
    options.path = file.path();
    options.expected_sha256 = golden.sha256;
    auto loaded = model::load_model(options);
    if (!loaded) FAIL(loaded.error().describe());
    CHECK((*loaded)->info().architecture == golden.architecture);
    CHECK((*loaded)->info().weights_sha256 == golden.sha256);
    CHECK((*loaded)->info().engine == engine);
    const auto inputs = make_inputs(golden.inputs);
    const auto batch = (*loaded)->forward(inputs);
    REQUIRE(batch);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const auto alone = (*loaded)->forward(std::span(inputs).subspan(i, 1));
      REQUIRE(alone);
      const float scale = largest(golden.rows[i]);
      INFO(golden.architecture << ", input " << i);
      CHECK(scale > 0.1F);
      INFO("relative difference " << largest_difference(alone->rows[0], golden.rows[i]) / scale);
      CHECK(largest_difference(alone->rows[0], golden.rows[i]) <= 1e-4F * scale);
      CHECK(largest_difference(batch->rows[i], golden.rows[i]) <= 1e-4F * scale);
    }
  }
}

TEST_CASE("a file with another digest, too few labels or no such name does not load") {
  Golden small;
  small.architecture = "resnet18";
  small.classes = 3;
  const SeededFile file(small);
  model::LoadOptions options;
  options.path = file.path();
  options.expected_sha256 = std::string(64, '0');
  CHECK(model::load_model(options).error().code == ErrorCode::kDataLoss);
  options.expected_sha256.clear();
  options.labels = {"a", "b"};
  CHECK(model::load_model(options).error().code == ErrorCode::kInvalidArgument);
  options.labels = {"a", "b", "c"};
  options.name = "mine";
  CHECK((*model::load_model(options))->manifest().transform.resize == preprocess::kImagenetV2.resize);
  options.transform = preprocess::kImagenetV1;
  const auto loaded = model::load_model(options);
  REQUIRE(loaded);
  CHECK((*loaded)->manifest().labels == options.labels);
  CHECK((*loaded)->info().name == "mine");
  CHECK((*loaded)->manifest().transform.resize == 256);
  CHECK_FALSE((*loaded)->info().demo);
  preprocess::Input wrong;
  wrong.height = wrong.width = 10;
  CHECK_FALSE((*loaded)->forward({&wrong, 1}));
  CHECK((*loaded)->forward({})->rows.empty());
  options.path += "-not-there";
  CHECK(model::load_model(options).error().code == ErrorCode::kNotFound);
}
