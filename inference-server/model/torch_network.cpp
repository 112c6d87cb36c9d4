#include <ATen/ATen.h>

#include <cstring>
#include <memory>
#include <unordered_map>

#include "inference-server/model/folding.hpp"
#include "inference-server/model/torch_module.hpp"
#include "inference-server/model/torch_tensors.hpp"

namespace imageclassifier::model {
namespace {

using namespace torch_engine;

/// torch.nn.BatchNorm2d's default.
constexpr double kEpsilon = 1e-5;

at::Tensor to_tensor(std::span<const std::byte> bytes, const std::vector<std::uint64_t>& shape) {
  at::Tensor tensor = at::empty(std::vector<std::int64_t>(shape.begin(), shape.end()), at::kFloat);
  std::memcpy(tensor.data_ptr<float>(), bytes.data(), bytes.size());
  return tensor;
}

using Tensors = std::unordered_map<std::string, at::Tensor>;

Tensors to_tensors(const Architecture& architecture, int classes, const TensorBytes& bytes) {
  Tensors tensors;
  for (const TensorSpec& spec : tensors_of(architecture, classes)) {
    tensors.emplace(spec.name, to_tensor(bytes.at(spec.name), spec.shape));
  }
  return tensors;
}

/// As at::conv2d, but always by oneDNN where LibTorch has it: with one thread conv2d gives the 1x1 filters, most of a
/// ResNet, to a plain loop over the system's BLAS, which takes five times as long (ConvParams::use_mkldnn in LibTorch
/// 1.13, aten/src/ATen/native/Convolution.cpp).
at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, int stride, int padding) {
  if (!at::hasMKLDNN()) return at::conv2d(x, weight, bias, stride, padding);
  return at::mkldnn_convolution(x.contiguous(at::MemoryFormat::ChannelsLast), weight, bias, {padding, padding},
                                {stride, stride}, {1, 1}, 1);
}

/// The forward pass; `apply(unit, x)` computes a convolution with its batch norm.
template <typename Apply>
at::Tensor run_backbone(const Topology& topology, at::Tensor x, Apply&& apply) {
  x = apply(topology.stem, x).relu_();
  x = at::max_pool2d(x, 3, 2, 1);
  for (const Block& block : topology.blocks) {
    at::Tensor y = x;
    for (const Unit& unit : block.body) {
      y = apply(unit, y);
      if (&unit != &block.body.back()) y.relu_();
    }
    x = y.add_(block.shortcut ? apply(*block.shortcut, x) : x).relu_();
  }
  return at::adaptive_avg_pool2d(x, {1, 1}).flatten(1);
}

class TorchNetwork final : public Engine {
 public:
  TorchNetwork(const Architecture& architecture, int classes, const TensorBytes& tensors)
      : topology_(topology_of(architecture)) {
    add(topology_.stem, tensors);
    for (const Block& block : topology_.blocks) {
      for (const Unit& unit : block.body) add(unit, tensors);
      if (block.shortcut) add(*block.shortcut, tensors);
    }
    const auto rows = static_cast<std::uint64_t>(classes);
    head_weight_ = to_tensor(tensors.at("fc.weight"), {rows, static_cast<std::uint64_t>(architecture.features())});
    head_bias_ = to_tensor(tensors.at("fc.bias"), {rows});
  }

  std::string name() const override { return "libtorch"; }
  std::string precision() const override { return "float32"; }

  Result<Rows> logits(std::span<const preprocess::Input> inputs) override {
    return without_exceptions([&]() -> Result<Rows> {
      if (inputs.empty()) return Rows{};
      return to_rows(at::linear(run(inputs), head_weight_, head_bias_));
    });
  }

  Result<Rows> features(std::span<const preprocess::Input> inputs) override {
    return without_exceptions([&]() -> Result<Rows> {
      if (inputs.empty()) return Rows{};
      return to_rows(run(inputs));
    });
  }

 private:
  struct Folded {
    at::Tensor weight;
    at::Tensor bias;
  };

  void add(const Unit& unit, const TensorBytes& tensors) {
    const FoldedUnit folded = fold(unit, tensors);
    const auto copy = [](const std::vector<float>& values, const std::vector<std::uint64_t>& shape) {
      return to_tensor(std::as_bytes(std::span(values)), shape);
    };
    const auto out = static_cast<std::uint64_t>(unit.out);
    const auto kernel = static_cast<std::uint64_t>(unit.kernel);
    const at::Tensor weight = copy(folded.weight, {out, static_cast<std::uint64_t>(unit.in), kernel, kernel});
    units_.emplace(unit.convolution,
                   Folded{weight.contiguous(at::MemoryFormat::ChannelsLast), copy(folded.bias, {out})});
  }

  at::Tensor run(std::span<const preprocess::Input> inputs) const {
    return run_backbone(topology_, to_batch(inputs), [this](const Unit& unit, const at::Tensor& x) {
      const Folded& folded = units_.at(unit.convolution);
      return convolve(x, folded.weight, folded.bias, unit.stride, unit.padding);
    });
  }

  Topology topology_;
  std::unordered_map<std::string, Folded> units_;  ///< by the convolution's name
  at::Tensor head_weight_;
  at::Tensor head_bias_;
};

Result<std::unique_ptr<Engine>> build(const Architecture& architecture, int classes, const TensorBytes& tensors,
                                      int threads) {
  return without_exceptions([&]() -> Result<std::unique_ptr<Engine>> {
    set_threads(threads);
    return std::make_unique<TorchNetwork>(architecture, classes, tensors);
  });
}

Result<std::map<std::string, std::vector<float>>> measure_batch_norms(
    const Architecture& architecture, int classes, const TensorBytes& bytes, std::span<const preprocess::Input> inputs,
    const std::function<void(const std::string&)>& on_layer) {
  using Statistics = std::map<std::string, std::vector<float>>;
  return without_exceptions([&]() -> Result<Statistics> {
    set_threads(0);
    const Tensors tensors = to_tensors(architecture, classes, bytes);
    Statistics statistics;
    const auto measure = [&](const Unit& unit, const at::Tensor& x) {
      const at::Tensor weight = tensors.at(unit.convolution + ".weight").contiguous(at::MemoryFormat::ChannelsLast);
      const at::Tensor y = at::conv2d(x, weight, {}, unit.stride, unit.padding);
      const auto [out, mean, inverse_deviation] = at::native_batch_norm(
          y, tensors.at(unit.norm + ".weight"), tensors.at(unit.norm + ".bias"), {}, {}, true, 0.0, kEpsilon);
      const auto keep = [&](const char* name, const at::Tensor& values) {
        const at::Tensor floats = values.to(at::kFloat).contiguous();
        const float* data = floats.data_ptr<float>();
        statistics[unit.norm + name].assign(data, data + floats.numel());
      };
      keep(".running_mean", mean);
      keep(".running_var", inverse_deviation.to(at::kDouble).pow(-2) - kEpsilon);
      if (on_layer) on_layer(unit.norm);
      return out;
    };
    run_backbone(topology_of(architecture), to_batch(inputs), measure);
    return statistics;
  });
}

}  // namespace
}  // namespace imageclassifier::model

/// Looked up by torch_module().
extern "C" const imageclassifier::model::TorchModule ic_torch_module;
const imageclassifier::model::TorchModule ic_torch_module{
    &imageclassifier::model::build, &imageclassifier::model::measure_batch_norms, &imageclassifier::model::load_script};
