// An int8 weights file: what is accepted lies in the file and can be computed with. The network is a ResNet without
// blocks, so that a whole file is small enough to be changed everywhere.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "inference-server/model/checksums.hpp"
#include "inference-server/model/manifest.hpp"
#include "inference-server/model/quantising.hpp"

using namespace imageclassifier;
using namespace imageclassifier::model;

namespace {

void expect(bool good) {
  if (!good) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Architecture kSmallest{"resnet0", {0, 0, 0, 0}, false};
  const auto file = std::as_bytes(std::span(data, size));
  const auto parsed = parse_safetensors(file);
  if (!parsed) return 0;
  const auto intact = check_tensors(*parsed);
  expect(intact || intact.error().code == ErrorCode::kInvalidArgument);
  const auto manifest = parse_manifest(parsed->metadata);
  if (manifest && manifest->calibration) {
    expect(!manifest->calibration_damaged && !manifest->calibration->logits.empty());
  }
  const auto weights = read_quantised(kSmallest, *parsed);
  if (!weights) return 0;
  expect(weights->classes > 0 && weights->layers.size() == 2 && parsed->tensors.size() == 6);
  for (const auto& [name, layer] : weights->layers) {
    const auto bytes = std::as_bytes(layer.weight);
    expect(bytes.data() >= file.data() && bytes.data() + bytes.size() <= file.data() + size);
    expect(layer.scale.size() == layer.bias.size() && layer.weight.size() % layer.scale.size() == 0);
    for (const float scale : layer.scale) expect(std::isfinite(scale) && scale > 0);
  }
  const WeightMap floats = dequantise(kSmallest, *weights);
  for (const TensorSpec& spec : tensors_of(kSmallest, weights->classes)) {
    expect(floats.at(spec.name).size() == spec.elements());
  }
  return 0;
}
