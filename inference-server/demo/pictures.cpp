#include "inference-server/demo/pictures.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "inference-server/demo/figures.hpp"
#include "inference-server/image/jpeg_encoder.hpp"

namespace imageclassifier::demo {
namespace {

Random random_for(int label, PictureSet set, std::uint64_t seed, int index, std::uint64_t purpose) {
  std::uint64_t mixed = seed;
  for (const std::uint64_t part : {set == PictureSet::kFitting ? std::uint64_t{1} : std::uint64_t{2},
                                   static_cast<std::uint64_t>(label), static_cast<std::uint64_t>(index), purpose}) {
    mixed = Random(mixed ^ (part * 0xD6E8FEB86659FD93ULL)).next();
  }
  return Random(mixed);
}

/// Two colours that run into each other across the picture, with soft blotches.
class Background {
 public:
  Background(Random& random, const Color& usual)
      : first_(roughly(random, usual)), second_(mix(first_, lively_color(random), random.real(0, 0.35F))) {
    for (float& value : waves_) value = random.real(-4, 4);
    blotches_ = random.real(0, 0.12F);
  }

  /// x and y run from 0 to 1.
  Color at(float x, float y) const {
    const float run = 0.5F + 0.5F * std::sin(waves_[0] * x + waves_[1] * y + waves_[2]);
    const float blotch = std::sin(9 * x * waves_[3] + waves_[4]) * std::sin(7 * y * waves_[5] + waves_[0]);
    const Color base = mix(first_, second_, run);
    return mix(base, blotch > 0 ? Color{1, 1, 1} : Color{0, 0, 0}, blotches_ * std::abs(blotch));
  }

 private:
  Color first_;
  Color second_;
  std::array<float, 6> waves_{};
  float blotches_ = 0;
};

/// From pixels of the picture to the figure's own coordinates.
struct Placement {
  float center_x;
  float center_y;
  float cosine;
  float sine;
  float radius;

  Point to_figure(float x, float y) const {
    const float dx = (x - center_x) / radius;
    const float dy = (y - center_y) / radius;
    return {cosine * dx + sine * dy, cosine * dy - sine * dx};
  }
};

Placement place(Random& random, int width, int height, float max_turn) {
  const auto short_side = static_cast<float>(std::min(width, height));
  const float turn = random.real(-max_turn, max_turn);
  const float radius = short_side * random.real(0.34F, 0.46F);
  const float slack = 0.5F * short_side - radius;
  const float center_x = 0.5F * static_cast<float>(width) + random.real(-slack, slack);
  const float center_y = 0.5F * static_cast<float>(height) + random.real(-slack, slack);
  return {center_x, center_y, std::cos(turn), std::sin(turn), radius};
}

std::uint8_t to_byte(float value) {
  return static_cast<std::uint8_t>(std::clamp(value * 255 + 0.5F, 0.0F, 255.0F));
}

}  // namespace

const std::vector<std::string>& labels() {
  static const std::vector<std::string> kLabels = [] {
    std::vector<std::string> names;
    for (const Figure& figure : figures()) names.push_back(figure.label);
    return names;
  }();
  return kLabels;
}

image::Image draw_picture(int label, PictureSet set, std::uint64_t seed, int index) {
  Random random = random_for(label, set, seed, index, 1);
  const Figure& figure = figures().at(static_cast<std::size_t>(label));
  image::Image picture{random.whole(160, 420), random.whole(160, 420), {}};
  const Background background(random, figure.background);
  const Painter painter = figure.make(random);
  const Placement placement = place(random, picture.width, picture.height, figure.max_turn);
  const float grain = random.real(0, 0.06F);
  picture.pixels.reserve(static_cast<std::size_t>(picture.width) * static_cast<std::size_t>(picture.height) * 3);
  for (int y = 0; y < picture.height; ++y) {
    for (int x = 0; x < picture.width; ++x) {
      const Color behind = background.at(static_cast<float>(x) / static_cast<float>(picture.width),
                                         static_cast<float>(y) / static_cast<float>(picture.height));
      Color sum{};
      for (const auto& [dx, dy] : {std::pair{0.25F, 0.25F}, {0.75F, 0.25F}, {0.25F, 0.75F}, {0.75F, 0.75F}}) {
        const Color sample =
            painter(placement.to_figure(static_cast<float>(x) + dx, static_cast<float>(y) + dy), behind);
        sum = {sum.red + sample.red / 4, sum.green + sample.green / 4, sum.blue + sample.blue / 4};
      }
      for (const float channel : {sum.red, sum.green, sum.blue}) {
        picture.pixels.push_back(to_byte(channel + random.real(-grain, grain)));
      }
    }
  }
  return picture;
}

std::vector<std::byte> draw_jpeg(int label, PictureSet set, std::uint64_t seed, int index) {
  Random random = random_for(label, set, seed, index, 2);
  return image::encode_jpeg(draw_picture(label, set, seed, index), random.whole(60, 95));
}

Result<int> draw_pictures(const DrawOptions& options) {
  int count = 0;
  for (std::size_t label = 0; label < labels().size(); ++label) {
    const std::filesystem::path folder = std::filesystem::path(options.output) / labels()[label];
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    for (int index = 0; index < options.per_class; ++index, ++count) {
      const auto file = draw_jpeg(static_cast<int>(label), options.set, options.seed, index);
      char number[24];
      std::snprintf(number, sizeof number, "-%03d.jpg", index);
      const std::filesystem::path path = folder / (labels()[label] + number);
      std::ofstream out(path, std::ios::binary | std::ios::trunc);
      out.write(reinterpret_cast<const char*>(file.data()), static_cast<std::streamsize>(file.size()));
      out.close();
      if (!out) return fail(ErrorCode::kUnavailable, "the picture " + path.string() + " cannot be written");
    }
  }
  return count;
}

}  // namespace imageclassifier::demo
