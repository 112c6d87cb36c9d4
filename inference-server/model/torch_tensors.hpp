#pragma once

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <exception>
#include <span>
#include <string>

#include "inference-server/model/engine.hpp"

/// What the engines on LibTorch share; for torch_network.cpp and torch_script.cpp alone.
namespace imageclassifier::model::torch_engine {

/// Of LibTorch's one pool; 0: usable_cores().
void set_threads(int threads);
/// Channels last. Throws when the inputs differ in size.
at::Tensor to_batch(std::span<const preprocess::Input> inputs);
/// Of a float32 matrix.
Rows to_rows(const at::Tensor& tensor);

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

}  // namespace imageclassifier::model::torch_engine

namespace imageclassifier::model {

/// See TorchModule.
Result<std::unique_ptr<Engine>> load_script(std::span<const std::byte> file, int threads);

}  // namespace imageclassifier::model
