#include "inference-server/model/architecture.hpp"

#include <functional>
#include <numeric>

namespace imageclassifier::model {
namespace {

Block make_block(const std::string& prefix, bool bottleneck, int in, int width, int stride) {
  const auto unit = [&](int n, int to, int from, int kernel, int step) {
    const std::string number = std::to_string(n);
    return Unit{prefix + ".conv" + number, prefix + ".bn" + number, to, from, kernel, step, kernel / 2};
  };
  Block block;
  const int out = bottleneck ? width * 4 : width;
  if (bottleneck) {
    block.body = {unit(1, width, in, 1, 1), unit(2, width, width, 3, stride), unit(3, out, width, 1, 1)};
  } else {
    block.body = {unit(1, width, in, 3, stride), unit(2, width, width, 3, 1)};
  }
  if (stride != 1 || in != out) {
    block.shortcut = Unit{prefix + ".downsample.0", prefix + ".downsample.1", out, in, 1, stride, 0};
  }
  return block;
}

void add_tensors(std::vector<TensorSpec>& tensors, const Unit& unit) {
  const auto out = static_cast<std::uint64_t>(unit.out);
  const auto kernel = static_cast<std::uint64_t>(unit.kernel);
  tensors.push_back({unit.convolution + ".weight",
                     {out, static_cast<std::uint64_t>(unit.in), kernel, kernel},
                     TensorRole::kConvolution});
  tensors.push_back({unit.norm + ".weight", {out}, TensorRole::kScale});
  tensors.push_back({unit.norm + ".bias", {out}, TensorRole::kShift});
  tensors.push_back({unit.norm + ".running_mean", {out}, TensorRole::kMean});
  tensors.push_back({unit.norm + ".running_var", {out}, TensorRole::kVariance});
}

}  // namespace

std::span<const Architecture> known_architectures() {
  static const std::array<Architecture, 5> kAll{{{"resnet18", {2, 2, 2, 2}, false},
                                                 {"resnet34", {3, 4, 6, 3}, false},
                                                 {"resnet50", {3, 4, 6, 3}, true},
                                                 {"resnet101", {3, 4, 23, 3}, true},
                                                 {"resnet152", {3, 8, 36, 3}, true}}};
  return kAll;
}

Result<Architecture> find_architecture(const std::string& name) {
  for (const Architecture& architecture : known_architectures()) {
    if (architecture.name == name) return architecture;
  }
  return fail(
      ErrorCode::kUnsupported,
      "the architecture \"" + name + "\" is not known; resnet18, resnet34, resnet50, resnet101 and resnet152 are");
}

std::uint64_t TensorSpec::elements() const {
  return std::accumulate(shape.begin(), shape.end(), std::uint64_t{1}, std::multiplies<>());
}

Topology topology_of(const Architecture& architecture) {
  Topology topology{.stem = {"conv1", "bn1", 64, 3, 7, 2, 3}, .blocks = {}};
  int channels = 64;
  for (int stage = 0; stage < 4; ++stage) {
    for (int block = 0; block < architecture.blocks[static_cast<std::size_t>(stage)]; ++block) {
      const std::string prefix = "layer" + std::to_string(stage + 1) + "." + std::to_string(block);
      const int stride = stage > 0 && block == 0 ? 2 : 1;
      topology.blocks.push_back(make_block(prefix, architecture.bottleneck, channels, 64 << stage, stride));
      channels = topology.blocks.back().body.back().out;
    }
  }
  return topology;
}

std::vector<TensorSpec> tensors_of(const Architecture& architecture, int classes) {
  std::vector<TensorSpec> tensors;
  const Topology topology = topology_of(architecture);
  add_tensors(tensors, topology.stem);
  for (const Block& block : topology.blocks) {
    for (const Unit& unit : block.body) add_tensors(tensors, unit);
    if (block.shortcut) add_tensors(tensors, *block.shortcut);
  }
  const auto rows = static_cast<std::uint64_t>(classes);
  tensors.push_back(
      {"fc.weight", {rows, static_cast<std::uint64_t>(architecture.features())}, TensorRole::kHeadWeight});
  tensors.push_back({"fc.bias", {rows}, TensorRole::kHeadBias});
  return tensors;
}

}  // namespace imageclassifier::model
