#include <catch2/catch.hpp>

#include "inference-server/model/onednn_network.hpp"
#include "inference-server/model/reference_logits.hpp"
#include "inference-server/model/seeded_weights.hpp"
#include "inference-server/model/torch_module.hpp"

using namespace imageclassifier;

namespace {

constexpr int kClasses = 10;

/// The same weights in both engines, each batch size by each number of threads.
void check_parity(const std::string& name, int side, const std::vector<int>& thread_counts) {
  const auto torch = model::torch_module();
  if (!torch) FAIL(torch.error().describe());
  preprocess::TransformSpec transform;
  transform.crop = side;
  const auto inputs = model::reference_inputs(transform, 3, 8);
  const auto architecture = *model::find_architecture(name);
  const auto weights = model::make_seeded_weights(architecture, kClasses, 7);
  const auto tensors = model::as_bytes(weights);
  const auto reference = (*torch)->build(architecture, kClasses, tensors, 2);
  REQUIRE(reference);
  CHECK((*reference)->name() == "libtorch");
  const auto expected = (*reference)->logits(inputs);
  REQUIRE(expected);
  const auto expected_features = (*reference)->features(inputs);
  REQUIRE(expected_features);
  for (const int threads : thread_counts) {
    const auto engine =
        model::OnednnNetwork::build(architecture, kClasses, tensors, {.side = side, .threads = threads});
    REQUIRE(engine);
    for (const std::size_t batch : {1U, 2U, 4U, 8U}) {
      INFO(name << ", " << side << " pixels, batch of " << batch << ", threads " << threads);
      const auto rows = (*engine)->logits(std::span(inputs).first(batch));
      REQUIRE(rows);
      CHECK(model::relative_difference(
                *rows, {expected->begin(), expected->begin() + static_cast<std::ptrdiff_t>(batch)}) <= 1e-4);
    }
    const auto features = (*engine)->features(inputs);
    REQUIRE(features);
    CHECK(model::relative_difference(*features, *expected_features) <= 1e-4);
  }
}

}  // namespace

TEST_CASE(
    "oneDNN and LibTorch give the same logits and features at every depth and batch size, by one and two threads") {
  check_parity("resnet18", 64, {1, 2});
  for (const char* name : {"resnet34", "resnet50", "resnet101", "resnet152"}) check_parity(name, 64, {2});
}

TEST_CASE("oneDNN and LibTorch give the same logits at the size that is served") {
  check_parity("resnet18", 224, {2});
}
