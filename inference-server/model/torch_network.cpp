#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <caffe2/serialize/read_adapter_interface.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>

#include "inference-server/model/cpu_count.hpp"
#include "inference-server/model/folding.hpp"
#include "inference-server/model/torch_module.hpp"

namespace imageclassifier::model {
namespace {

/// Of LibTorch's one pool; 0: usable_cores().
void set_threads(int threads) {
  static std::once_flag once;
  std::call_once(once, [] { at::set_num_interop_threads(1); });
  at::set_num_threads(threads > 0 ? threads : usable_cores());
}

/// Channels last. Throws when the inputs differ in size.
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

/// Of a float32 matrix.
Rows to_rows(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.contiguous();
  const auto columns = static_cast<std::size_t>(flat.size(1));
  const float* data = flat.data_ptr<float>();
  Rows rows;
  for (std::int64_t i = 0; i < flat.size(0); ++i, data += columns) rows.emplace_back(data, data + columns);
  return rows;
}

/// The edge where LibTorch's exceptions become errors.
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

/// The mapped file, for LibTorch's reader of archives.
class Bytes final : public caffe2::serialize::ReadAdapterInterface {
 public:
  explicit Bytes(std::span<const std::byte> file) : file_(file) {}
  std::size_t size() const override { return file_.size(); }
  std::size_t read(std::uint64_t at, void* to, std::size_t count, const char* /*what*/) const override {
    if (at >= file_.size()) return 0;
    const std::size_t size = std::min(count, file_.size() - static_cast<std::size_t>(at));
    std::memcpy(to, file_.data() + at, size);
    return size;
  }

 private:
  std::span<const std::byte> file_;
};

class ScriptEngine final : public Engine {
 public:
  explicit ScriptEngine(torch::jit::Module module) : module_(std::move(module)) {}

  std::string name() const override { return "libtorch"; }
  std::string precision() const override { return "float32"; }

  Result<Rows> logits(std::span<const preprocess::Input> inputs) override {
    return without_exceptions([&]() -> Result<Rows> {
      if (inputs.empty()) return Rows{};
      const c10::IValue output = module_.forward({to_batch(inputs)});
      const auto count = static_cast<std::int64_t>(inputs.size());
      if (!output.isTensor() || output.toTensor().dim() != 2 || output.toTensor().size(0) != count ||
          output.toTensor().size(1) < 1 || !output.toTensor().is_floating_point()) {
        return fail(ErrorCode::kInvalidArgument, "the TorchScript program does not give a number for each class");
      }
      return to_rows(output.toTensor().to(at::kFloat));
    });
  }

  Result<Rows> features(std::span<const preprocess::Input> /*inputs*/) override {
    return fail(ErrorCode::kUnsupported, "a TorchScript program does not show its features");
  }

 private:
  torch::jit::Module module_;
};

Result<std::unique_ptr<Engine>> load_script(std::span<const std::byte> file, int threads) {
  return without_exceptions([&]() -> Result<std::unique_ptr<Engine>> {
    set_threads(threads);
    // Else the first runs are spent on measuring and compiling anew.
    torch::jit::getProfilingMode() = false;
    torch::jit::Module module = torch::jit::load(std::make_shared<Bytes>(file), at::Device(at::kCPU));
    module.eval();
    return std::make_unique<ScriptEngine>(std::move(module));
  });
}

}  // namespace
}  // namespace imageclassifier::model

/// Looked up by torch_module().
extern "C" const imageclassifier::model::TorchModule ic_torch_module;
const imageclassifier::model::TorchModule ic_torch_module{
    &imageclassifier::model::build, &imageclassifier::model::measure_batch_norms, &imageclassifier::model::load_script};
