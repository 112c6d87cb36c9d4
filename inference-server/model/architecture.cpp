#include "inference-server/model/architecture.hpp"

#include <functional>
#include <numeric>

namespace imageclassifier::model {
namespace {

class Builder {
 public:
  void convolution(const std::string& name, int out, int in, int kernel) {
    add(name + ".weight", {out, in, kernel, kernel}, TensorRole::kConvolution);
  }

  void batch_norm(const std::string& name, int channels) {
    add(name + ".weight", {channels}, TensorRole::kScale);
    add(name + ".bias", {channels}, TensorRole::kShift);
    add(name + ".running_mean", {channels}, TensorRole::kMean);
    add(name + ".running_var", {channels}, TensorRole::kVariance);
  }

  /// Returns the block's output channels.
  int block(const std::string& prefix, bool bottleneck, int in, int width, int stride) {
    const int out = bottleneck ? width * 4 : width;
    convolution(prefix + ".conv1", width, in, bottleneck ? 1 : 3);
    batch_norm(prefix + ".bn1", width);
    convolution(prefix + ".conv2", width, width, 3);
    batch_norm(prefix + ".bn2", width);
    if (bottleneck) {
      convolution(prefix + ".conv3", out, width, 1);
      batch_norm(prefix + ".bn3", out);
    }
    if (stride != 1 || in != out) {
      convolution(prefix + ".downsample.0", out, in, 1);
      batch_norm(prefix + ".downsample.1", out);
    }
    return out;
  }

  void add(std::string name, std::vector<int> shape, TensorRole role) {
    tensors_.push_back({std::move(name), {shape.begin(), shape.end()}, role});
  }

  std::vector<TensorSpec> take() { return std::move(tensors_); }

 private:
  std::vector<TensorSpec> tensors_;
};

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

std::vector<TensorSpec> tensors_of(const Architecture& architecture, int classes) {
  Builder builder;
  builder.convolution("conv1", 64, 3, 7);
  builder.batch_norm("bn1", 64);
  int channels = 64;
  for (int stage = 0; stage < 4; ++stage) {
    for (int block = 0; block < architecture.blocks[static_cast<std::size_t>(stage)]; ++block) {
      const std::string prefix = "layer" + std::to_string(stage + 1) + "." + std::to_string(block);
      channels = builder.block(prefix, architecture.bottleneck, channels, 64 << stage, stage > 0 && block == 0 ? 2 : 1);
    }
  }
  builder.add("fc.weight", {classes, architecture.features()}, TensorRole::kHeadWeight);
  builder.add("fc.bias", {classes}, TensorRole::kHeadBias);
  return builder.take();
}

}  // namespace imageclassifier::model
