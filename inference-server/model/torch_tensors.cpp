#include "inference-server/model/torch_tensors.hpp"

#include <ATen/Parallel.h>

#include <cstring>
#include <mutex>
#include <stdexcept>

#include "inference-server/model/cpu_count.hpp"

namespace imageclassifier::model::torch_engine {

void set_threads(int threads) {
  static std::once_flag once;
  std::call_once(once, [] { at::set_num_interop_threads(1); });
  at::set_num_threads(threads > 0 ? threads : usable_cores());
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

Rows to_rows(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.contiguous();
  const auto columns = static_cast<std::size_t>(flat.size(1));
  const float* data = flat.data_ptr<float>();
  Rows rows;
  for (std::int64_t i = 0; i < flat.size(0); ++i, data += columns) rows.emplace_back(data, data + columns);
  return rows;
}

}  // namespace imageclassifier::model::torch_engine
