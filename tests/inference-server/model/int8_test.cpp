#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "inference-server/model/activation_histogram.hpp"
#include "inference-server/model/calibration.hpp"
#include "inference-server/model/engine_choice.hpp"
#include "inference-server/model/folding.hpp"
#include "inference-server/model/manifest.hpp"
#include "inference-server/model/mapped_file.hpp"
#include "inference-server/model/model.hpp"
#include "inference-server/model/onednn_int8_network.hpp"
#include "inference-server/model/onednn_network.hpp"
#include "inference-server/model/quantising.hpp"
#include "inference-server/model/reference_logits.hpp"
#include "inference-server/model/seeded_weights.hpp"
#include "inference-server/model/weights_file.hpp"

using namespace imageclassifier;

namespace {

constexpr int kClasses = 10;
constexpr int kSide = 64;

preprocess::TransformSpec small_transform() {
  preprocess::TransformSpec transform;
  transform.crop = kSide;
  return transform;
}

std::unique_ptr<model::Model> load(const std::string& path, const std::string& precision) {
  model::LoadOptions options;
  options.path = path;
  options.precision = precision;
  options.threads = 1;
  auto loaded = model::load_model(options);
  if (!loaded) FAIL(loaded.error().describe());
  return std::move(*loaded);
}

/// A seeded network as it is and calibrated, in two files that are removed at the end.
class Calibrated {
 public:
  explicit Calibrated(const std::string& name) : architecture_(*model::find_architecture(name)) {
    model::Manifest manifest;
    manifest.architecture = name;
    manifest.transform = small_transform();
    const auto weights = model::make_seeded_weights(architecture_, kClasses, 7);
    REQUIRE(model::write_weights(plain(), architecture_, kClasses, model::as_bytes(weights), manifest));
    auto made = calibrate(16);
    if (!made) FAIL(made.error().describe());
    report = *made;
    manifest_ = load(path(), "float32")->manifest();
  }
  ~Calibrated() {
    std::filesystem::remove(plain());
    std::filesystem::remove(path());
  }

  /// A network without training is sensitive: whatever it agrees on is good enough, unless said otherwise.
  Result<model::CalibrationReport> calibrate(std::size_t pictures, double least_agreement = 0) const {
    model::CalibrationOptions options;
    options.model = plain();
    options.output = path();
    options.threads = 1;
    options.pictures = pictures;
    options.least_agreement = least_agreement;
    const auto inputs = model::reference_inputs(small_transform(), 11, pictures);
    options.picture = [&](std::size_t n, const preprocess::TransformSpec&) { return std::optional(inputs[n]); };
    return model::calibrate(options);
  }

  std::string path() const { return path_; }
  std::string plain() const { return path_ + "-plain"; }

  /// Writes the file again with another calibration, or with one more weight's scale.
  void change(const std::optional<model::Calibration>& calibration, float scale_of_first_weight = 1) const {
    const auto mapped = model::MappedFile::open(plain());
    const auto file = model::parse_safetensors(mapped->bytes());
    REQUIRE(file);
    model::TensorBytes tensors;
    for (const auto& [tensor, view] : file->tensors) tensors.emplace(tensor, view.data);
    auto weights = model::quantise(architecture_, kClasses, tensors);
    weights.layers.at("layer1.0.conv1").scale.front() *= scale_of_first_weight;
    model::Manifest manifest = manifest_;
    manifest.calibration = calibration;
    REQUIRE(model::write_quantised(path_, architecture_, weights, model::to_metadata(manifest)));
  }

  model::CalibrationReport report;

 private:
  model::Architecture architecture_;
  model::Manifest manifest_;
  std::string path_ = (std::filesystem::temp_directory_path() / ("int8-" + std::to_string(::getpid()))).string();
};

#if defined(__SANITIZE_ADDRESS__)
const std::vector<std::string> kDepths = {"resnet18",
                                          "resnet50"};  // one of each kind of block: the others take minutes
#else
const std::vector<std::string> kDepths = {"resnet18", "resnet34", "resnet50", "resnet101", "resnet152"};
#endif

}  // namespace

TEST_CASE("weights in 8 bits are off by half a step of their channel at most; the stem's are even") {
  const auto architecture = *model::find_architecture("resnet18");
  const auto weights = model::make_seeded_weights(architecture, kClasses, 7);
  const auto tensors = model::as_bytes(weights);
  const auto quantised = model::quantise(architecture, kClasses, tensors);
  const auto topology = model::topology_of(architecture);
  for (const model::Unit& unit : {topology.stem, topology.blocks[0].body[0]}) {
    const auto folded = model::fold(unit, tensors);
    const model::QuantisedLayer& layer = quantised.layers.at(unit.convolution);
    const bool stem = unit.convolution == "conv1";
    CHECK(layer.bias == folded.bias);
    const std::size_t per_channel = folded.weight.size() / folded.bias.size();
    double worst = 0;
    int largest = 0;
    for (std::size_t i = 0; i < folded.weight.size(); ++i) {
      const float scale = layer.scale[i / per_channel];
      worst = std::max<double>(worst, std::abs(static_cast<float>(layer.weight[i]) - folded.weight[i] / scale));
      largest = std::max(largest, std::abs(int{layer.weight[i]}));
      if (stem && layer.weight[i] % 2 != 0) FAIL("an odd weight of the stem");
    }
    CHECK(worst <= (stem ? 1.001 : 0.501));
    CHECK(largest == (stem ? 126 : 127));
  }
}

TEST_CASE("a range holds what is evenly spread and cuts off what is rare") {
  std::vector<float> values;
  for (int i = 0; i < 30'000; ++i) values.push_back(static_cast<float>(i % 1000) / 1000);
  model::ActivationHistogram histogram;
  for (int i = 0; i < 20; ++i) histogram.add(values);
  CHECK(histogram.best_range(127) > 0.95F);
  histogram.add(std::vector<float>{-4});
  CHECK(histogram.best_range(127) > 0.9F);
  CHECK(histogram.best_range(127) < 2);
  CHECK(model::ActivationHistogram().best_range(127) > 0);
}

TEST_CASE("a calibrated model is computed in 8 bits, close to float32, alone and in a batch, from a smaller file") {
  const Calibrated file("resnet18");
  const model::Calibration& found = file.report.calibration;
  INFO("mean error " << found.mean_logit_error << ", worst " << found.worst_logit_error);
  CHECK(found.pictures == 12);
  CHECK(found.held_out == 4);
  CHECK(found.mean_logit_error > 0);
  CHECK(found.mean_logit_error < 0.1);
  CHECK(found.top5_agreement > 0.99);
  CHECK(std::filesystem::file_size(file.path()) * 3 < std::filesystem::file_size(file.plain()));
  const auto exact = load(file.plain(), "float32");
  const auto fast = load(file.path(), "auto");
  CHECK(fast->info().precision == "int8");
  CHECK(fast->info().engine == "onednn");
  CHECK(fast->info().precision_note.empty());
  CHECK(fast->info().weights_sha256 == file.report.sha256);
  const auto inputs = model::reference_inputs(small_transform(), 12, 3);
  const auto batch = fast->forward(inputs);
  REQUIRE(batch);
  CHECK(model::relative_difference(batch->rows, exact->forward(inputs)->rows) < 0.1);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    CHECK(model::relative_difference(fast->forward({&inputs[i], 1})->rows, {batch->rows[i]}) < 1e-5);
  }
}

TEST_CASE("int8 is near float32 with the same weights at every depth and batch size") {
  const auto inputs = model::reference_inputs(small_transform(), 3, 8);
  for (const std::string& name : kDepths) {
    const auto architecture = *model::find_architecture(name);
    const auto seeded = model::make_seeded_weights(architecture, kClasses, 7);
    const auto quantised = model::quantise(architecture, kClasses, model::as_bytes(seeded));
    const auto rounded = model::dequantise(architecture, quantised);
    const auto exact =
        model::OnednnNetwork::build(architecture, kClasses, model::as_bytes(rounded), {.side = kSide, .threads = 1});
    REQUIRE(exact);
    std::map<std::string, model::ActivationHistogram> seen;
    for (const auto& input : std::span(inputs).first(2)) {
      REQUIRE((*exact)->observe(input, [&](const std::string& unit, auto values) { seen[unit].add(values); }));
    }
    model::ActivationRanges ranges{{"input", 2.64F}};
    for (const auto& [unit, histogram] : seen) ranges[unit] = histogram.best_range(127);
    const auto engine = model::OnednnInt8Network::build(architecture, quantised, ranges, {.side = kSide, .threads = 1});
    if (!engine) FAIL(engine.error().describe());
    const auto expected = (*exact)->logits(inputs);
    REQUIRE(expected);
    for (const std::size_t batch : {1U, 2U, 3U, 8U}) {
      const auto rows = (*engine)->logits(std::span(inputs).first(batch));
      REQUIRE(rows);
      const auto end = expected->begin() + static_cast<std::ptrdiff_t>(batch);
      INFO(name << ", batch of " << batch);
      CHECK(model::relative_difference(*rows, {expected->begin(), end}) < 0.15);
    }
    for (std::size_t i = 0; i < inputs.size() && (name == "resnet18" || name == "resnet50"); ++i) {
      INFO(name << ", picture " << i << " alone and in a batch of 8");
      const auto batch = (*engine)->logits(inputs);
      CHECK(model::relative_difference(*(*engine)->logits(std::span(inputs).subspan(i, 1)), {(*batch)[i]}) < 1e-5);
    }
    CHECK((*engine)->logits(model::reference_inputs({.crop = 32}, 3, 1)).error().code == ErrorCode::kInternal);
  }
}

TEST_CASE("damaged or missing ranges lead back to float32, which the model tells") {
  const Calibrated file("resnet18");
  const model::Calibration good = file.report.calibration;
  const auto expect_float32 = [&](const std::optional<model::Calibration>& damaged, const std::string& why,
                                  const std::string& precision = "auto") {
    file.change(damaged);
    const auto loaded = load(file.path(), precision);
    CHECK(loaded->info().precision == "float32");
    CHECK_THAT(loaded->info().precision_note, Catch::Contains("int8 is not used") && Catch::Contains(why));
  };
  auto damaged = good;
  damaged.ranges.at("layer2.0.conv1") *= 0.3F;
  expect_float32(damaged, "does not prove itself");
  damaged = good;
  damaged.ranges.at("layer3.0.downsample.0") *= 8;
  expect_float32(damaged, "does not prove itself");
  damaged = good;
  damaged.ranges.erase("layer3.0.conv2");
  expect_float32(damaged, "no range above 0 for layer3.0.conv2");
  damaged = good;
  damaged.ranges.at("conv1") = -1;
  expect_float32(damaged, "no range above 0 for conv1");
  expect_float32(std::nullopt, "no calibration", "int8");
  file.change(good);
  CHECK(load(file.path(), "auto")->info().precision == "int8");
}

TEST_CASE("int8 that often named another class than float32 when it was calibrated is used only when it is asked for") {
  const Calibrated file("resnet18");
  auto rough = file.report.calibration;
  rough.held_out = 100;
  rough.top1_agreement = 0.62;
  file.change(rough);
  const auto loaded = load(file.path(), "auto");
  CHECK(loaded->info().precision == "float32");
  CHECK_THAT(loaded->info().precision_note, Catch::Contains("62 %"));
  CHECK(load(file.path(), "int8")->info().precision == "int8");
}

TEST_CASE("a damaged scale of the weights makes the file unusable: no arithmetic gives its reference logits") {
  const Calibrated file("resnet18");
  file.change(file.report.calibration, 200);
  model::LoadOptions options;
  options.path = file.path();
  options.threads = 1;
  const auto loaded = model::load_model(options);
  REQUIRE_FALSE(loaded);
  CHECK_THAT(loaded.error().describe(), Catch::Contains("does not prove itself"));
}

TEST_CASE("int8 that is slower than float32 on this processor is not taken unasked; what was measured is told") {
  const Calibrated file("resnet18");
  const auto mapped = model::MappedFile::open(file.path());
  const auto parsed = model::parse_safetensors(mapped->bytes());
  const auto architecture = *model::find_architecture("resnet18");
  const auto quantised = model::read_quantised(architecture, *parsed);
  const auto manifest = model::parse_manifest(parsed->metadata);
  REQUIRE((quantised && manifest));
  const auto choose = [&](const std::string& precision, Result<model::LayerSpeed> speed) {
    const model::TensorBytes none;
    auto choice = model::choose_engine({.architecture = architecture,
                                        .classes = kClasses,
                                        .tensors = none,
                                        .quantised = &*quantised,
                                        .manifest = *manifest,
                                        .side = kSide,
                                        .engine = "onednn",
                                        .precision = precision,
                                        .threads = 1,
                                        .measure = [speed](const std::string&) { return speed; }});
    if (!choice) FAIL(choice.error().describe());
    return std::move(*choice);
  };
  const auto slower = choose("auto", model::LayerSpeed{.float32 = 0.002, .other = 0.003});
  CHECK(slower.engine->precision() == "float32");
  CHECK_THAT(slower.note, Catch::Contains("a layer takes 3 ms, 2 ms in float32"));
  CHECK(slower.layer_seconds == std::map<std::string, double>{{"float32", 0.002}, {"int8", 0.003}});
  const auto asked = choose("int8", model::LayerSpeed{.float32 = 0.002, .other = 0.003});
  CHECK(asked.engine->precision() == "int8");
  CHECK(asked.layer_seconds.empty());
  CHECK(choose("auto", fail(ErrorCode::kUnsupported, "not measured")).engine->precision() == "int8");
  const auto real = model::measure_layer("int8");
  REQUIRE(real);
  CHECK(real->float32 > 0);
  CHECK(real->other > 0);
}

TEST_CASE(
    "what the proof does not see is damage, too: a flipped bit in a scale is refused, one in a range is float32") {
  const Calibrated file("resnet18");
  const auto flip = [&](std::streamoff at) {
    std::fstream stream(file.path(), std::ios::in | std::ios::out | std::ios::binary);
    const auto byte = static_cast<char>(stream.seekg(at).get() ^ 1);
    stream.seekp(at).put(byte);
  };
  const auto mapped = model::MappedFile::open(file.path());
  REQUIRE(mapped);
  const auto* const begin = reinterpret_cast<const char*>(mapped->bytes().data());
  const auto scales = model::parse_safetensors(mapped->bytes())->tensors.at("layer1.0.conv1.weight_scale");
  const std::streamoff scale = reinterpret_cast<const char*>(scales.data.data()) - begin;
  flip(scale);
  model::LoadOptions options;
  options.path = file.path();
  options.threads = 1;
  const auto refused = model::load_model(options);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kInvalidArgument);
  CHECK_THAT(refused.error().describe(),
             Catch::Contains("tensor layer1.0.conv1.weight_scale is not as it was written"));
  flip(scale);
  const std::string ranges = R"(\"layer1.0.conv2\":)";
  const auto found = std::string_view(begin, mapped->bytes().size()).find(ranges);
  REQUIRE(found != std::string_view::npos);
  flip(static_cast<std::streamoff>(found + ranges.size() + 5));
  const auto loaded = load(file.path(), "auto");
  CHECK(loaded->info().precision == "float32");
  CHECK_THAT(loaded->info().precision_note, Catch::Contains("calibration in the model file is damaged"));
}

TEST_CASE("a precision that cannot be had is float32 with the reason; one that was not asked for is not used") {
  const Calibrated file("resnet18");
  CHECK(load(file.path(), "float32")->info().precision == "float32");
  CHECK(load(file.path(), "float32")->info().precision_note.empty());
  const auto plain = load(file.plain(), "int8");
  CHECK(plain->info().precision == "float32");
  CHECK_THAT(plain->info().precision_note, Catch::Contains("calibrate"));
  const auto bfloat16 = load(file.path(), "bfloat16");
  CHECK((bfloat16->info().precision == "bfloat16") == bfloat16->info().precision_note.empty());
  CHECK(bfloat16->info().precision != "int8");
}

TEST_CASE(
    "calibration refuses too few pictures, too little agreement, its own input and a model that is calibrated "
    "already") {
  const Calibrated file("resnet18");
  const auto few = file.calibrate(3);
  REQUIRE_FALSE(few);
  CHECK_THAT(few.error().message, Catch::Contains("at least 4 pictures"));
  const auto before = std::filesystem::last_write_time(file.path());
  const auto unlike = file.calibrate(32, 1.01);
  REQUIRE_FALSE(unlike);
  CHECK_THAT(unlike.error().message, Catch::Contains("8 pictures that were not measured; the least is 101.0 %"));
  CHECK(std::filesystem::last_write_time(file.path()) == before);
  model::CalibrationOptions onto_itself;
  onto_itself.model = onto_itself.output = file.plain();
  CHECK_THAT(model::calibrate(onto_itself).error().message, Catch::Contains("would replace the float32 model"));
  model::CalibrationOptions again;
  again.model = file.path();
  again.output = file.plain() + "-again";
  CHECK_THAT(model::calibrate(again).error().message, Catch::Contains("calibrated already"));
}
