#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "inference-server/model/model.hpp"
#include "inference-server/model/onednn_network.hpp"
#include "inference-server/model/reference_logits.hpp"
#include "inference-server/model/seeded_weights.hpp"
#include "inference-server/model/weights_file.hpp"

using namespace imageclassifier;

namespace {

/// A small model file with reference logits, which are right unless a test spoils them; removed at the end.
class ModelFile {
 public:
  ModelFile() {
    const auto architecture = *model::find_architecture("resnet18");
    const auto weights = model::make_seeded_weights(architecture, 3, 7);
    model::TensorBytes tensors;
    for (const auto& [tensor, values] : weights) tensors.emplace(tensor, std::as_bytes(std::span(values)));
    manifest_.architecture = "resnet18";
    manifest_.transform.crop = 64;
    auto engine = model::OnednnNetwork::build(architecture, 3, tensors, {.side = 64, .threads = 1});
    REQUIRE(engine);
    auto rows = (*engine)->logits(model::reference_inputs(manifest_.transform, 9, 2));
    REQUIRE(rows);
    manifest_.reference = model::ReferenceLogits{9, std::move(*rows)};
  }
  ~ModelFile() { std::filesystem::remove(path_); }

  Result<std::unique_ptr<model::Model>> load(const std::string& engine) const {
    const auto architecture = *model::find_architecture("resnet18");
    const auto weights = model::make_seeded_weights(architecture, 3, 7);
    REQUIRE(model::write_weights(path_, architecture, 3, model::as_bytes(weights), manifest_));
    model::LoadOptions options;
    options.path = path_;
    options.engine = engine;
    options.threads = 1;
    return model::load_model(options);
  }

  model::Manifest& manifest() { return manifest_; }

 private:
  std::string path_ =
      (std::filesystem::temp_directory_path() / ("engine-choice-" + std::to_string(::getpid()))).string();
  model::Manifest manifest_;
};

bool torch_is_loaded() {
  std::ifstream maps("/proc/self/maps");
  const std::string text((std::istreambuf_iterator<char>(maps)), std::istreambuf_iterator<char>());
  return text.find("libtorch") != std::string::npos;
}

}  // namespace

TEST_CASE("a model with reference logits is served by oneDNN without loading LibTorch") {
  ModelFile file;
  const auto loaded = file.load("auto");
  if (!loaded) FAIL(loaded.error().describe());
  CHECK((*loaded)->info().engine == "onednn");
  CHECK((*loaded)->info().precision == "float32");
  CHECK((*loaded)->manifest().reference->rows == file.manifest().reference->rows);
  CHECK_FALSE(torch_is_loaded());
}

TEST_CASE("reference logits that no engine gives make the file unusable") {
  ModelFile file;
  file.manifest().reference->rows[1][2] += 1;
  for (const std::string engine : {"onednn", "auto"}) {
    const auto loaded = file.load(engine);
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().code == ErrorCode::kInvalidArgument);
    CHECK_THAT(loaded.error().describe(), Catch::Contains("does not prove itself"));
  }
  file.manifest().reference->rows[1].pop_back();
  file.manifest().reference->rows[0].pop_back();
  CHECK_FALSE(file.load("onednn"));
}
