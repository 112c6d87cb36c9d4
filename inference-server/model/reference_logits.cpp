#include "inference-server/model/reference_logits.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "inference-server/demo/random.hpp"
#include "inference-server/model/onednn_network.hpp"
#include "inference-server/model/torch_module.hpp"

namespace imageclassifier::model {
namespace {

constexpr std::uint64_t kSeed = 1;

/// A rectangle whose colour changes linearly; each picture is a pile of them.
struct Patch {
  int left, top, right, bottom;
  std::array<int, 3> colour;
  std::array<int, 3> slope_x;  ///< per 64 pixels
  std::array<int, 3> slope_y;
};

Patch draw_patch(demo::Random& random, int side, bool whole) {
  const auto below = [&random](int n) { return static_cast<int>(random.next() % static_cast<std::uint64_t>(n)); };
  Patch patch{};
  patch.left = whole ? 0 : below(side);
  patch.top = whole ? 0 : below(side);
  patch.right = whole ? side : std::min(side, patch.left + 1 + below(side));
  patch.bottom = whole ? side : std::min(side, patch.top + 1 + below(side));
  for (int& value : patch.colour) value = below(256);
  for (int& value : patch.slope_x) value = below(129) - 64;
  for (int& value : patch.slope_y) value = below(129) - 64;
  return patch;
}

preprocess::Input draw(const preprocess::TransformSpec& transform, demo::Random& random) {
  constexpr int kPatches = 24;
  const int side = transform.crop;
  const auto plane = static_cast<std::size_t>(side) * static_cast<std::size_t>(side);
  std::vector<int> pixels(3 * plane);
  for (int n = 0; n < kPatches; ++n) {
    const Patch patch = draw_patch(random, side, n == 0);
    for (std::size_t c = 0; c < 3; ++c) {
      for (int y = patch.top; y < patch.bottom; ++y) {
        for (int x = patch.left; x < patch.right; ++x) {
          const int change = (x - patch.left) * patch.slope_x[c] + (y - patch.top) * patch.slope_y[c];
          pixels[c * plane + static_cast<std::size_t>(y * side + x)] = patch.colour[c] + change / 64;
        }
      }
    }
  }
  preprocess::Input input{.channels = 3, .height = side, .width = side, .values = std::vector<float>(3 * plane)};
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    const int noise = static_cast<int>(random.next() >> 60) - 8;
    const auto value = static_cast<float>(std::clamp(pixels[i] + noise, 0, 255));
    input.values[i] = (value / 255.0F - transform.mean[i / plane]) / transform.std[i / plane];
  }
  return input;
}

}  // namespace

std::vector<preprocess::Input> reference_inputs(const preprocess::TransformSpec& transform, std::uint64_t seed,
                                                std::size_t count) {
  demo::Random random(seed);
  std::vector<preprocess::Input> inputs;
  for (std::size_t i = 0; i < count; ++i) inputs.push_back(draw(transform, random));
  return inputs;
}

Result<ReferenceLogits> make_reference_logits(const Architecture& architecture, int classes, const TensorBytes& tensors,
                                              const preprocess::TransformSpec& transform) {
  const auto torch = torch_module();
  Result<std::unique_ptr<Engine>> engine =
      torch ? (*torch)->build(architecture, classes, tensors, 0)
            : OnednnNetwork::build(architecture, classes, tensors, {.side = transform.crop});
  if (!engine) return tl::unexpected(engine.error());
  auto rows = (*engine)->logits(reference_inputs(transform, kSeed, kReferencePictures));
  if (!rows) return tl::unexpected(rows.error());
  return ReferenceLogits{kSeed, std::move(*rows)};
}

double relative_difference(const Rows& rows, const Rows& reference) {
  constexpr double kNever = std::numeric_limits<double>::infinity();
  if (rows.size() != reference.size()) return kNever;
  double worst = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].size() != reference[i].size()) return kNever;
    double largest = 0;
    double difference = 0;
    for (std::size_t j = 0; j < rows[i].size(); ++j) {
      if (!std::isfinite(rows[i][j]) || !std::isfinite(reference[i][j])) return kNever;
      largest = std::max(largest, static_cast<double>(std::abs(reference[i][j])));
      difference = std::max(difference, std::abs(static_cast<double>(rows[i][j]) - reference[i][j]));
    }
    worst = std::max(worst, difference == 0 ? 0 : largest == 0 ? kNever : difference / largest);
  }
  return worst;
}

}  // namespace imageclassifier::model
