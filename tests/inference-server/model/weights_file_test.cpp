#include "inference-server/model/weights_file.hpp"

#include <catch2/catch.hpp>

using namespace imageclassifier;

namespace {

model::Safetensors names_of(const model::Architecture& architecture) {
  model::Safetensors file;
  for (const auto& spec : model::tensors_of(architecture, 10)) file.tensors[spec.name];
  return file;
}

}  // namespace

TEST_CASE("each architecture is recognised by its tensors' names") {
  for (const model::Architecture& architecture : model::known_architectures()) {
    const auto found = model::recognise_architecture(names_of(architecture));
    REQUIRE(found);
    CHECK(found->name == architecture.name);
  }
}

TEST_CASE("another network is not taken for a ResNet of ours") {
  model::Safetensors file = names_of(*model::find_architecture("resnet50"));
  file.tensors.erase("layer3.5.conv1.weight");
  CHECK(model::recognise_architecture(file).error().code == ErrorCode::kInvalidArgument);
  file = names_of(*model::find_architecture("resnet18"));
  file.tensors["layer1.2.conv1.weight"];
  CHECK_FALSE(model::recognise_architecture(file));
  CHECK_FALSE(model::recognise_architecture({}));
}
