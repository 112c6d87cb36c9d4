#include <caffe2/serialize/read_adapter_interface.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "inference-server/model/torch_tensors.hpp"

namespace imageclassifier::model {
namespace {

using namespace torch_engine;

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

}  // namespace

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

}  // namespace imageclassifier::model
