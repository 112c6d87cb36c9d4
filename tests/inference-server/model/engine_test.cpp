#include <catch2/catch.hpp>
#include <cmath>
#include <future>
#include <limits>
#include <set>

#include "inference-server/model/onednn_network.hpp"
#include "inference-server/model/reference_logits.hpp"
#include "inference-server/model/seeded_weights.hpp"

using namespace imageclassifier;

namespace {

constexpr int kClasses = 10;
constexpr int kSide = 64;

std::vector<preprocess::Input> make_inputs(std::size_t count, int side = kSide) {
  preprocess::TransformSpec transform;
  transform.crop = side;
  return model::reference_inputs(transform, 5, count);
}

/// Seeded weights and views of them.
struct Weights {
  explicit Weights(const std::string& name)
      : architecture(*model::find_architecture(name)), values(model::make_seeded_weights(architecture, kClasses, 7)) {
    for (const auto& [tensor, floats] : values) bytes.emplace(tensor, std::as_bytes(std::span(floats)));
  }

  std::unique_ptr<model::Engine> onednn(int threads = 1, int lanes = 1) const {
    auto engine =
        model::OnednnNetwork::build(architecture, kClasses, bytes, {.side = kSide, .threads = threads, .lanes = lanes});
    if (!engine) FAIL(engine.error().describe());
    return std::move(*engine);
  }

  model::Architecture architecture;
  model::WeightMap values;
  model::TensorBytes bytes;
};

model::Rows logits(model::Engine& engine, std::span<const preprocess::Input> inputs) {
  auto rows = engine.logits(inputs);
  if (!rows) FAIL(rows.error().describe());
  return std::move(*rows);
}

}  // namespace

TEST_CASE("oneDNN gives a picture in any batch the logits that it gives it alone, in order") {
  const std::string name = GENERATE("resnet18", "resnet50");
  const Weights weights(name);
  const auto engine = weights.onednn();
  INFO(name);
  CHECK(engine->name() == "onednn");
  CHECK(engine->precision() == "float32");
  const auto inputs = make_inputs(11);
  model::Rows alone;
  for (const auto& input : inputs) alone.push_back(logits(*engine, {&input, 1}).front());
  CHECK(std::set(alone.begin(), alone.end()).size() == inputs.size());
  for (const std::size_t batch : {std::size_t{8}, std::size_t{3}, std::size_t{2}, std::size_t{11}}) {
    const auto rows = logits(*engine, std::span(inputs).first(batch));
    INFO("batch of " << batch);
    CHECK(model::relative_difference(rows, {alone.begin(), alone.begin() + static_cast<std::ptrdiff_t>(batch)}) <=
          1e-5);
  }
  CHECK(logits(*engine, {inputs.data(), 1}).front() == alone.front());
  CHECK(logits(*engine, {}).empty());
}

TEST_CASE("oneDNN gives the same logits in two lanes at a time, of sizes that it was not built for as well") {
  const Weights weights("resnet18");
  const auto alone = weights.onednn();
  const auto engine = weights.onednn(1, 2);
  const std::vector<std::vector<preprocess::Input>> sizes{make_inputs(2), make_inputs(2, 96), make_inputs(3, 80)};
  std::vector<model::Rows> expected;
  for (const auto& inputs : sizes) expected.push_back(logits(*alone, inputs));
  const auto all = [&] {
    std::vector<Result<model::Rows>> rows;
    for (int round = 0; round < 3; ++round) {
      for (const auto& inputs : sizes) rows.push_back(engine->logits(inputs));
    }
    return rows;
  };
  // One caller more than there are lanes: it waits.
  std::vector<std::future<std::vector<Result<model::Rows>>>> callers;
  for (int caller = 0; caller < 3; ++caller) callers.push_back(std::async(std::launch::async, all));
  for (auto& caller : callers) {
    const auto rows = caller.get();
    for (std::size_t i = 0; i < rows.size(); ++i) CHECK(rows[i].value() == expected[i % expected.size()]);
  }
}

TEST_CASE("oneDNN gives the head's inputs as features") {
  const Weights weights("resnet50");
  const auto engine = weights.onednn();
  const auto inputs = make_inputs(2);
  const auto features = engine->features(inputs);
  REQUIRE(features);
  REQUIRE(features->size() == 2);
  const auto& head = weights.values.at("fc.weight");
  model::Rows expected;
  for (const auto& row : *features) {
    REQUIRE(row.size() == 2048);
    auto& sums = expected.emplace_back(weights.values.at("fc.bias"));
    for (std::size_t c = 0; c < sums.size(); ++c) {
      for (std::size_t j = 0; j < row.size(); ++j) sums[c] += head[c * row.size() + j] * row[j];
    }
  }
  CHECK(model::relative_difference(logits(*engine, inputs), expected) <= 1e-5);
}

TEST_CASE("oneDNN computes inputs of another size than the one it was built for, and refuses a mixture") {
  const Weights weights("resnet18");
  const auto engine = weights.onednn();
  const auto before = logits(*engine, make_inputs(1));
  auto larger = make_inputs(1, 96);
  CHECK(logits(*engine, larger).front().size() == kClasses);
  CHECK(logits(*engine, make_inputs(1)) == before);
  larger.push_back(make_inputs(1).front());
  CHECK(engine->logits(larger).error().code == ErrorCode::kInvalidArgument);
  larger.pop_back();
  larger.front().values.pop_back();
  CHECK(engine->logits(larger).error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("reference pictures depend on the seed and nothing else, and fill the range of a photo") {
  const auto inputs = make_inputs(2);
  CHECK(inputs[0].values == make_inputs(1)[0].values);
  CHECK(inputs[0].values != inputs[1].values);
  preprocess::TransformSpec transform;
  transform.crop = kSide;
  CHECK(model::reference_inputs(transform, 6, 1)[0].values != inputs[0].values);
  const auto [low, high] = std::minmax_element(inputs[0].values.begin(), inputs[0].values.end());
  CHECK(*low < -1.5F);
  CHECK(*high > 1.5F);
}

TEST_CASE("a difference is told as a share of the largest reference logit, and never hides what is not a number") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(model::relative_difference({{1, 2}}, {{1, 2}}) == 0);
  CHECK(model::relative_difference({{1, 3}}, {{1, -4}}) == Approx(7.0 / 4));
  CHECK(model::relative_difference({{1, 2}, {0, 8}}, {{1, 2}, {4, 8}}) == Approx(0.5));
  CHECK(std::isinf(model::relative_difference({{nan}}, {{1}})));
  CHECK(std::isinf(model::relative_difference({{1}}, {{nan}})));
  CHECK(std::isinf(model::relative_difference({{1}}, {{1, 2}})));
  CHECK(std::isinf(model::relative_difference({}, {{1}})));
  CHECK(std::isinf(model::relative_difference({{1}}, {{0}})));
}
