#include "inference-server/model/architecture.hpp"

#include <catch2/catch.hpp>

#include "inference-server/model/seeded_weights.hpp"
#include "inference-server/model/weights_check.hpp"

using namespace imageclassifier;

namespace {

std::uint64_t count_parameters(const std::string& name) {
  std::uint64_t count = 0;
  for (const model::TensorSpec& spec : model::tensors_of(*model::find_architecture(name), 1000)) {
    if (spec.is_parameter()) count += spec.elements();
  }
  return count;
}

}  // namespace

TEST_CASE("the family has torchvision's parameter counts at 1000 classes") {
  CHECK(count_parameters("resnet101") == 44'549'160);
  CHECK(count_parameters("resnet18") == 11'689'512);
  CHECK(count_parameters("resnet34") == 21'797'672);
  CHECK(count_parameters("resnet50") == 25'557'032);
  CHECK(count_parameters("resnet152") == 60'192'808);
  CHECK_FALSE(model::find_architecture("resnet99"));
}

TEST_CASE("seeded weights depend on seed and name alone") {
  const auto architecture = *model::find_architecture("resnet18");
  const auto weights = model::make_seeded_weights(architecture, 3, 1);
  CHECK(weights == model::make_seeded_weights(architecture, 3, 1));
  const auto more = model::make_seeded_weights(architecture, 5, 1);
  CHECK(weights.at("conv1.weight") == more.at("conv1.weight"));
  CHECK(weights.at("conv1.weight") != model::make_seeded_weights(architecture, 3, 2).at("conv1.weight"));
}

TEST_CASE("a missing, misshapen, mistyped or foreign tensor is named") {
  const auto architecture = *model::find_architecture("resnet18");
  model::Safetensors file;
  for (const auto& spec : model::tensors_of(architecture, 2)) file.tensors[spec.name] = {"F32", spec.shape, {}};
  file.tensors["bn1.num_batches_tracked"] = {"I64", {}, {}};
  const auto good = model::check_weights(architecture, file);
  REQUIRE(good);
  CHECK(good->classes == 2);

  const auto refused_after = [&](auto&& change, const std::string& expected) {
    model::Safetensors changed = file;
    change(changed.tensors);
    const auto checked = model::check_weights(architecture, changed);
    REQUIRE_FALSE(checked);
    CHECK_THAT(checked.error().message, Catch::Contains(expected));
  };
  refused_after([](auto& t) { t.erase("layer3.1.conv2.weight"); }, "layer3.1.conv2.weight of resnet18 is missing");
  refused_after([](auto& t) { t.erase("fc.weight"); }, "fc.weight is missing");
  refused_after([](auto& t) { t["fc.weight"].shape = {2}; }, "fc.weight has the shape [2]");
  refused_after([](auto& t) { t["fc.bias"].shape = {3}; }, "fc.bias has the shape [3]");
  refused_after([](auto& t) { t["bn1.bias"].dtype = "F16"; }, "bn1.bias has the type F16");
  refused_after([](auto& t) { t["extra"] = {"F32", {1}, {}}; }, "extra does not belong");
}
