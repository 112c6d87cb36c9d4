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
  constexpr double kEpsilon = 1e-5;
  const std::vector<float> scale = to_floats(tensors.at(unit.norm + ".weight"));
  const std::vector<float> shift = to_floats(tensors.at(unit.norm + ".bias"));
  const std::vector<float> mean = to_floats(tensors.at(unit.norm + ".running_mean"));
  const std::vector<float> variance = to_floats(tensors.at(unit.norm + ".running_var"));
  FoldedUnit folded{to_floats(tensors.at(unit.convolution + ".weight")), std::vector<float>(scale.size())};
  const std::size_t per_channel = folded.weight.size() / scale.size();
  for (std::size_t channel = 0; channel < scale.size(); ++channel) {
    const double factor = scale[channel] / std::sqrt(static_cast<double>(variance[channel]) + kEpsilon);
    for (float& weight : std::span(folded.weight).subspan(channel * per_channel, per_channel)) {
      weight = static_cast<float>(weight * factor);
    }
    folded.bias[channel] = static_cast<float>(shift[channel] - mean[channel] * factor);
  }
  return folded;
}

}  // namespace imageclassifier::model
