#include "inference-server/model/quantising.hpp"

#include <algorithm>
#include <cmath>

#include "inference-server/model/folding.hpp"

namespace imageclassifier::model {
namespace {

constexpr float kLargest = 127;
/// oneDNN halves the weights of signed inputs, which only the stem has, where there is no VNNI: even ones, so that this
/// is exact and every processor computes the same.
constexpr int kStemStep = 2;
/// The scale of a channel without weights.
constexpr float kLeastScale = 1e-12F;
constexpr std::uint64_t kMaxClasses = 100'000;

struct LayerShape {
  std::string name;
  std::string norm;                   ///< empty: the head
  std::vector<std::uint64_t> weight;  ///< out first
};

std::vector<LayerShape> layers_of(const Architecture& architecture, int classes) {
  std::vector<LayerShape> layers;
  const auto add = [&](const Unit& unit) {
    const auto kernel = static_cast<std::uint64_t>(unit.kernel);
    layers.push_back({unit.convolution,
                      unit.norm,
                      {static_cast<std::uint64_t>(unit.out), static_cast<std::uint64_t>(unit.in), kernel, kernel}});
  };
  const Topology topology = topology_of(architecture);
  add(topology.stem);
  for (const Block& block : topology.blocks) {
    for (const Unit& unit : block.body) add(unit);
    if (block.shortcut) add(*block.shortcut);
  }
  layers.push_back(
      {"fc", "", {static_cast<std::uint64_t>(classes), static_cast<std::uint64_t>(architecture.features())}});
  return layers;
}

void add_layer(QuantisedWeights& quantised, const std::string& name, const FoldedUnit& folded, int step) {
  const auto even = static_cast<float>(step);
  const std::size_t channels = folded.bias.size();
  const std::size_t per_channel = folded.weight.size() / channels;
  std::vector<std::int8_t> numbers(folded.weight.size());
  std::vector<float> scales(channels);
  for (std::size_t channel = 0; channel < channels; ++channel) {
    const auto weights = std::span(folded.weight).subspan(channel * per_channel, per_channel);
    float largest = 0;
    for (const float weight : weights) largest = std::max(largest, std::abs(weight));
    const float scale = std::max(largest / (std::floor(kLargest / even) * even), kLeastScale);
    scales[channel] = scale;
    for (std::size_t i = 0; i < per_channel; ++i) {
      numbers[channel * per_channel + i] = static_cast<std::int8_t>(step * std::lrint(weights[i] / (scale * even)));
    }
  }
  quantised.storage.push_back(std::move(numbers));
  quantised.layers[name] = {quantised.storage.back(), std::move(scales), folded.bias};
}

tl::unexpected<Error> refuse(const std::string& tensor, const std::string& why) {
  return fail(ErrorCode::kInvalidArgument, "the int8 weights file does not fit: tensor " + tensor + " " + why);
}

Result<std::span<const std::byte>> find(const Safetensors& file, const std::string& name, const std::string& type,
                                        const std::vector<std::uint64_t>& shape) {
  const auto found = file.tensors.find(name);
  if (found == file.tensors.end()) return refuse(name, "is missing");
  if (found->second.dtype != type) return refuse(name, "has the type " + found->second.dtype + ", not " + type);
  if (found->second.shape != shape) return refuse(name, "has another shape than the architecture's");
  return found->second.data;
}

Result<QuantisedLayer> read_layer(const Safetensors& file, const LayerShape& shape) {
  const std::vector<std::uint64_t> channels{shape.weight.front()};
  const auto weight = find(file, shape.name + ".weight", "I8", shape.weight);
  if (!weight) return tl::unexpected(weight.error());
  const auto scale = find(file, shape.name + ".weight_scale", "F32", channels);
  if (!scale) return tl::unexpected(scale.error());
  const auto bias = find(file, shape.name + ".bias", "F32", channels);
  if (!bias) return tl::unexpected(bias.error());
  QuantisedLayer layer{
      {reinterpret_cast<const std::int8_t*>(weight->data()), weight->size()}, to_floats(*scale), to_floats(*bias)};
  for (const float value : layer.scale) {
    if (!std::isfinite(value) || value <= 0) {
      return refuse(shape.name + ".weight_scale", "holds a scale that is no number above 0");
    }
  }
  return layer;
}

}  // namespace

QuantisedWeights quantise(const Architecture& architecture, int classes, const TensorBytes& tensors) {
  QuantisedWeights quantised;
  quantised.classes = classes;
  const Topology topology = topology_of(architecture);
  const auto add = [&](const Unit& unit) { add_layer(quantised, unit.convolution, fold(unit, tensors), 1); };
  add_layer(quantised, topology.stem.convolution, fold(topology.stem, tensors), kStemStep);
  for (const Block& block : topology.blocks) {
    std::for_each(block.body.begin(), block.body.end(), add);
    if (block.shortcut) add(*block.shortcut);
  }
  add_layer(quantised, "fc", {to_floats(tensors.at("fc.weight")), to_floats(tensors.at("fc.bias"))}, 1);
  return quantised;
}

WeightMap dequantise(const Architecture& architecture, const QuantisedWeights& weights) {
  constexpr float kVariance = 1 - 1e-5F;  // with the epsilon of the batch norm: 1
  WeightMap floats;
  for (const LayerShape& shape : layers_of(architecture, weights.classes)) {
    const QuantisedLayer& layer = weights.layers.at(shape.name);
    const std::size_t channels = layer.scale.size();
    const std::size_t per_channel = layer.weight.size() / channels;
    std::vector<float>& values = floats[shape.name + ".weight"];
    values.reserve(layer.weight.size());
    for (std::size_t i = 0; i < layer.weight.size(); ++i) {
      values.push_back(static_cast<float>(layer.weight[i]) * layer.scale[i / per_channel]);
    }
    floats[(shape.norm.empty() ? shape.name : shape.norm) + ".bias"] = layer.bias;
    if (shape.norm.empty()) continue;
    floats[shape.norm + ".weight"] = std::vector<float>(channels, 1);
    floats[shape.norm + ".running_mean"] = std::vector<float>(channels, 0);
    floats[shape.norm + ".running_var"] = std::vector<float>(channels, kVariance);
  }
  return floats;
}

Result<QuantisedWeights> read_quantised(const Architecture& architecture, const Safetensors& file) {
  const auto head = file.tensors.find("fc.bias");
  if (head == file.tensors.end()) return refuse("fc.bias", "is missing");
  if (head->second.shape.size() != 1 || head->second.shape[0] < 1 || head->second.shape[0] > kMaxClasses) {
    return refuse("fc.bias", "does not have one number per class");
  }
  QuantisedWeights weights;
  weights.classes = static_cast<int>(head->second.shape[0]);
  for (const LayerShape& shape : layers_of(architecture, weights.classes)) {
    auto layer = read_layer(file, shape);
    if (!layer) return tl::unexpected(layer.error());
    weights.layers.emplace(shape.name, std::move(*layer));
  }
  for (const auto& [name, tensor] : file.tensors) {
    const std::size_t dot = std::min(name.rfind('.'), name.size());
    const std::string kind = name.substr(dot);
    const bool known = kind == ".weight" || kind == ".weight_scale" || kind == ".bias";
    if (!known || !weights.layers.contains(name.substr(0, dot))) return refuse(name, "does not belong there");
  }
  return weights;
}

Result<std::string> write_quantised(const std::string& path, const Architecture& architecture,
                                    const QuantisedWeights& weights,
                                    const std::map<std::string, std::string>& metadata) {
  std::vector<FileTensor> tensors;
  std::vector<FileTensor> floats;
  for (const LayerShape& shape : layers_of(architecture, weights.classes)) {
    const QuantisedLayer& layer = weights.layers.at(shape.name);
    const std::vector<std::uint64_t> channels{shape.weight.front()};
    tensors.push_back({shape.name + ".weight", shape.weight, std::as_bytes(layer.weight), "I8"});
    floats.push_back({shape.name + ".weight_scale", channels, std::as_bytes(std::span(layer.scale))});
    floats.push_back({shape.name + ".bias", channels, std::as_bytes(std::span(layer.bias))});
  }
  tensors.insert(tensors.begin(), floats.begin(), floats.end());
  return write_safetensors(path, tensors, metadata);
}

}  // namespace imageclassifier::model
