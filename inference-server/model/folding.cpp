#include "inference-server/model/folding.hpp"

#include <cmath>
#include <cstring>

namespace imageclassifier::model {

std::vector<float> to_floats(std::span<const std::byte> bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

FoldedUnit fold(const Unit& unit, const TensorBytes& tensors) {
  FoldedUnit folded;
  fold(unit, tensors, folded);
  return folded;
}

void fold(const Unit& unit, const TensorBytes& tensors, FoldedUnit& folded) {
  constexpr double kEpsilon = 1e-5;
  const std::vector<float> scale = to_floats(tensors.at(unit.norm + ".weight"));
  const std::vector<float> shift = to_floats(tensors.at(unit.norm + ".bias"));
  const std::vector<float> mean = to_floats(tensors.at(unit.norm + ".running_mean"));
  const std::vector<float> variance = to_floats(tensors.at(unit.norm + ".running_var"));
  const std::span<const std::byte> plain = tensors.at(unit.convolution + ".weight");
  const std::size_t channels = scale.size();
  const std::size_t per_channel = plain.size() / sizeof(float) / channels;
  folded.weight.resize(channels * per_channel);
  folded.bias.resize(channels);
#pragma omp parallel for schedule(static)
  for (std::size_t channel = 0; channel < channels; ++channel) {
    const double factor = scale[channel] / std::sqrt(static_cast<double>(variance[channel]) + kEpsilon);
    float* const weights = folded.weight.data() + channel * per_channel;
    std::memcpy(weights, plain.data() + channel * per_channel * sizeof(float), per_channel * sizeof(float));
    for (std::size_t i = 0; i < per_channel; ++i) weights[i] = static_cast<float>(weights[i] * factor);
    folded.bias[channel] = static_cast<float>(shift[channel] - mean[channel] * factor);
  }
}

}  // namespace imageclassifier::model
