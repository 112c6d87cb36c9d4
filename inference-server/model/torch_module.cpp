#include "inference-server/model/torch_module.hpp"

#include <dlfcn.h>

#include <filesystem>

namespace imageclassifier::model {
namespace {

Result<const TorchModule*> open_module() {
  std::error_code ignored;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", ignored);
  const std::string path = (program.parent_path().parent_path() / "lib" / "libic_torch_engine.so").string();
  const auto refuse = [] {
    const char* const reason = ::dlerror();
    return fail(ErrorCode::kUnsupported,
                std::string("LibTorch cannot be loaded: ") + (reason != nullptr ? reason : "unknown"));
  };
  void* const module = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (module == nullptr) return refuse();
  const void* const symbol = ::dlsym(module, "ic_torch_module");
  if (symbol == nullptr) return refuse();
  return static_cast<const TorchModule*>(symbol);
}

}  // namespace

Result<const TorchModule*> torch_module() {
  static const Result<const TorchModule*> opened = open_module();
  return opened;
}

}  // namespace imageclassifier::model
