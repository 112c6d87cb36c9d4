#include "inference-server/model/network.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <cstring>
#include <exception>
#include <mutex>
#include <unordered_map>

#include "inference-server/model/cpu_count.hpp"

namespace imageclassifier::model {
namespace {

/// torch.nn.BatchNorm2d's default.
constexpr double kEpsilon = 1e-5;

void set_threads(int threads) {
  static std::once_flag once;
  std::call_once(once, [] { at::set_num_interop_threads(1); });
  at::set_num_threads(threads > 0 ? threads : usable_cores());
}

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

at::Tensor to_batch(std::span<const preprocess::Input> inputs) {
  const preprocess::Input& first = inputs.front();
  const auto per_input = static_cast<std::size_t>(first.channels * first.height * first.width);
  at::Tensor batch = at::empty({static_cast<std::int64_t>(inputs.size()), first.channels, first.height, first.width});
  float* out = batch.data_ptr<float>();
  for (const preprocess::Input& input : inputs) {
    if (input.values.size() != per_input) throw std::invalid_argument("the inputs of a batch differ in size");
    std::memcpy(out, input.values.data(), per_input * sizeof(float));
    out += per_input;
  }
  return batch.contiguous(at::MemoryFormat::ChannelsLast);
}

/// As at::conv2d, but always by oneDNN where LibTorch has it: with one thread conv2d gives the 1x1 filters, most of a
/// ResNet, to a plain loop over the system's BLAS, which takes five times as long (ConvParams::use_mkldnn in LibTorch
/// 1.13, aten/src/ATen/native/Convolution.cpp).
at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, int stride, int padding) {
  if (!at::hasMKLDNN()) return at::conv2d(x, weight, bias, stride, padding);
  return at::mkldnn_convolution(x.contiguous(at::MemoryFormat::ChannelsLast), weight, bias, {padding, padding},
                                {stride, stride}, {1, 1}, 1);
}

Rows to_rows(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.contiguous();
  const auto columns = static_cast<std::size_t>(flat.size(1));
  const float* data = flat.data_ptr<float>();
  Rows rows;
  for (std::int64_t i = 0; i < flat.size(0); ++i, data += columns) rows.emplace_back(data, data + columns);
  return rows;
}

/// A convolution and its batch norm, by the names of both.
struct Unit {
  std::string convolution;
  std::string norm;
  int stride;
  int padding;
};

/// The topology, once: `apply(Unit, x)` computes a convolution with its batch norm.
template <typename Apply>
at::Tensor run_block(const std::string& prefix, bool bottleneck, int stride, bool project, const at::Tensor& x,
                     Apply&& apply) {
  at::Tensor y;
  if (bottleneck) {
    y = apply(Unit{prefix + ".conv1", prefix + ".bn1", 1, 0}, x).relu_();
    y = apply(Unit{prefix + ".conv2", prefix + ".bn2", stride, 1}, y).relu_();
    y = apply(Unit{prefix + ".conv3", prefix + ".bn3", 1, 0}, y);
  } else {
    y = apply(Unit{prefix + ".conv1", prefix + ".bn1", stride, 1}, x).relu_();
    y = apply(Unit{prefix + ".conv2", prefix + ".bn2", 1, 1}, y);
  }
  if (!project) return y.add_(x).relu_();
  return y.add_(apply(Unit{prefix + ".downsample.0", prefix + ".downsample.1", stride, 0}, x)).relu_();
}

template <typename Apply>
at::Tensor run_backbone(const Architecture& architecture, at::Tensor x, Apply&& apply) {
  x = apply(Unit{"conv1", "bn1", 2, 3}, x).relu_();
  x = at::max_pool2d(x, 3, 2, 1);
  for (int stage = 0; stage < 4; ++stage) {
    for (int block = 0; block < architecture.blocks[static_cast<std::size_t>(stage)]; ++block) {
      const std::string prefix = "layer" + std::to_string(stage + 1) + "." + std::to_string(block);
      const int stride = stage > 0 && block == 0 ? 2 : 1;
      const bool project = block == 0 && (stage > 0 || architecture.bottleneck);
      x = run_block(prefix, architecture.bottleneck, stride, project, x, apply);
    }
  }
  return at::adaptive_avg_pool2d(x, {1, 1}).flatten(1);
}

template <typename Function>
auto without_exceptions(Function&& function) -> decltype(function()) {
  try {
    const c10::InferenceMode no_gradients;
    return function();
  } catch (const c10::Error& error) {
    return fail(ErrorCode::kInternal, std::string("LibTorch refused: ") + error.what_without_backtrace());
  } catch (const std::exception& error) {
    return fail(ErrorCode::kInternal, std::string("the forward pass failed: ") + error.what());
  }
}

}  // namespace

struct Network::Impl {
  struct Folded {
    at::Tensor weight;
    at::Tensor bias;
  };
  Architecture architecture;
  std::unordered_map<std::string, Folded> units;  ///< by the convolution's name
  at::Tensor head_weight;
  at::Tensor head_bias;

  void fold(const Tensors& tensors, const std::string& convolution, const std::string& norm) {
    const at::Tensor scale =
        tensors.at(norm + ".weight") / (tensors.at(norm + ".running_var").to(at::kDouble) + kEpsilon).sqrt();
    const at::Tensor weight = tensors.at(convolution + ".weight").to(at::kDouble) * scale.reshape({-1, 1, 1, 1});
    const at::Tensor bias = tensors.at(norm + ".bias") - tensors.at(norm + ".running_mean") * scale;
    units.emplace(convolution,
                  Folded{weight.to(at::kFloat).contiguous(at::MemoryFormat::ChannelsLast), bias.to(at::kFloat)});
  }

  at::Tensor run(std::span<const preprocess::Input> inputs) const {
    return run_backbone(architecture, to_batch(inputs), [this](const Unit& unit, const at::Tensor& x) {
      const Folded& folded = units.at(unit.convolution);
      return convolve(x, folded.weight, folded.bias, unit.stride, unit.padding);
    });
  }
};

Network::Network(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Network::Network(Network&&) noexcept = default;
Network& Network::operator=(Network&&) noexcept = default;
Network::~Network() = default;

Result<Network> Network::build(const Architecture& architecture, int classes, const TensorBytes& bytes, int threads) {
  return without_exceptions([&]() -> Result<Network> {
    set_threads(threads);
    const Tensors tensors = to_tensors(architecture, classes, bytes);
    auto impl = std::make_unique<Impl>();
    impl->architecture = architecture;
    impl->fold(tensors, "conv1", "bn1");
    for (const TensorSpec& spec : tensors_of(architecture, classes)) {
      if (spec.role != TensorRole::kConvolution || spec.name == "conv1.weight") continue;
      const std::string convolution = spec.name.substr(0, spec.name.size() - std::strlen(".weight"));
      const std::size_t dot = convolution.rfind('.') + 1;
      const bool project = convolution.ends_with("downsample.0");
      const std::string norm =
          project ? convolution.substr(0, dot) + "1" : convolution.substr(0, dot) + "bn" + convolution.back();
      impl->fold(tensors, convolution, norm);
    }
    impl->head_weight = tensors.at("fc.weight");
    impl->head_bias = tensors.at("fc.bias");
    return Network(std::move(impl));
  });
}

Result<Rows> Network::logits(std::span<const preprocess::Input> inputs) const {
  return without_exceptions([&]() -> Result<Rows> {
    if (inputs.empty()) return Rows{};
    return to_rows(at::linear(impl_->run(inputs), impl_->head_weight, impl_->head_bias));
  });
}

Result<Rows> Network::features(std::span<const preprocess::Input> inputs) const {
  return without_exceptions([&]() -> Result<Rows> {
    if (inputs.empty()) return Rows{};
    return to_rows(impl_->run(inputs));
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
    run_backbone(architecture, to_batch(inputs), measure);
    return statistics;
  });
}

}  // namespace imageclassifier::model
