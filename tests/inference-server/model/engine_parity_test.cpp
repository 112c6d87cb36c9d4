#include <catch2/catch.hpp>

#include "inference-server/model/onednn_network.hpp"
#include "inference-server/model/reference_logits.hpp"
#include "inference-server/model/seeded_weights.hpp"
#include "inference-server/model/torch_module.hpp"

using namespace imageclassifier;

TEST_CASE("oneDNN and LibTorch give the same logits and features at every depth and batch size") {
  constexpr int kSide = 64;
  constexpr int kClasses = 10;
  const auto torch = model::torch_module();
  if (!torch) FAIL(torch.error().describe());
  preprocess::TransformSpec transform;
  transform.crop = kSide;
  const auto inputs = model::reference_inputs(transform, 3, 8);
  for (const std::string name : {"resnet18", "resnet34", "resnet50", "resnet101", "resnet152"}) {
    const auto architecture = *model::find_architecture(name);
    const auto weights = model::make_seeded_weights(architecture, kClasses, 7);
    model::TensorBytes tensors;
    for (const auto& [tensor, values] : weights) tensors.emplace(tensor, std::as_bytes(std::span(values)));
    const auto reference = (*torch)->build(architecture, kClasses, tensors, 1);
    REQUIRE(reference);
    CHECK((*reference)->name() == "libtorch");
    const auto engine = model::OnednnNetwork::build(architecture, kClasses, tensors, {.side = kSide, .threads = 1});
    REQUIRE(engine);
    const auto expected = (*reference)->logits(inputs);
    REQUIRE(expected);
    for (const std::size_t batch : {1U, 2U, 3U, 8U}) {
      INFO(name << ", batch of " << batch);
      const auto rows = (*engine)->logits(std::span(inputs).first(batch));
      REQUIRE(rows);
      CHECK(model::relative_difference(
                *rows, {expected->begin(), expected->begin() + static_cast<std::ptrdiff_t>(batch)}) <= 1e-4);
    }
    const auto features = (*engine)->features(inputs);
    REQUIRE(features);
    CHECK(model::relative_difference(*features, *(*reference)->features(inputs)) <= 1e-4);
  }
}
