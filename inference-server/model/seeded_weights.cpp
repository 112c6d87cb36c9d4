#include "inference-server/model/seeded_weights.hpp"

#include <cmath>

#include "inference-server/demo/random.hpp"

namespace imageclassifier::model {
namespace {

class Generator {
 public:
  Generator(std::uint64_t seed, const std::string& stream) : random_(seed) {
    for (const char c : stream) {
      random_ = demo::Random((random_.next() ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL);
    }
  }

  /// 0 <= value < 1, a multiple of 2^-24.
  float uniform() { return static_cast<float>(random_.next() >> 40) * 0x1p-24F; }

  /// Nearly normal, mean 0, variance 1: the sum of four 16-bit uniforms, which needs no function of libm.
  float normal() {
    const std::uint64_t bits = random_.next();
    std::int32_t sum = -2 * 65535;
    for (int shift = 0; shift < 64; shift += 16) sum += static_cast<std::int32_t>((bits >> shift) & 0xFFFF);
    constexpr float kInverseDeviation = 2.6428907e-5F;  // 1 / sqrt(4 * (65536^2 - 1) / 12)
    return static_cast<float>(sum) * kInverseDeviation;
  }

 private:
  demo::Random random_;
};

bool ends_block(const std::string& name, bool bottleneck) {
  return name.find(bottleneck ? ".bn3." : ".bn2.") != std::string::npos;
}

float draw(Generator& generator, const TensorSpec& spec, float deviation, bool last) {
  switch (spec.role) {
    case TensorRole::kScale:
      return (last ? 0.25F : 1.0F) * (0.75F + 0.5F * generator.uniform());
    case TensorRole::kVariance:
      return 0.75F + 0.5F * generator.uniform();
    case TensorRole::kShift:
    case TensorRole::kMean:
      return 0.1F * generator.normal();
    default:
      return deviation * generator.normal();
  }
}

}  // namespace

WeightMap make_seeded_weights(const Architecture& architecture, int classes, std::uint64_t seed) {
  WeightMap weights;
  for (const TensorSpec& spec : tensors_of(architecture, classes)) {
    const std::uint64_t fan_in = spec.elements() / spec.shape.front();
    const float gain = spec.role == TensorRole::kConvolution ? 2.0F : 1.0F;
    const float deviation = std::sqrt(gain / static_cast<float>(fan_in));
    const bool last = ends_block(spec.name, architecture.bottleneck);
    Generator generator(seed, spec.name);
    std::vector<float> values(spec.elements());
    for (float& value : values) value = draw(generator, spec, deviation, last);
    weights.emplace(spec.name, std::move(values));
  }
  return weights;
}

TensorBytes as_bytes(const WeightMap& weights) {
  TensorBytes bytes;
  for (const auto& [name, values] : weights) bytes.emplace(name, std::as_bytes(std::span(values)));
  return bytes;
}

}  // namespace imageclassifier::model
