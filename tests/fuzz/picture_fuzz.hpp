#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "inference-server/image/row_sink.hpp"

namespace imageclassifier::fuzz {

/// The middle of a picture, row by row.
class Middle : public image::RowSink {
 public:
  image::Part choose(const image::Frame& frame) override {
    part_ = {frame.width / 3, frame.height / 3, (frame.width + 2) / 3, (frame.height + 2) / 3};
    return part_;
  }
  void begin(const image::Part& delivered) override {
    if (delivered.x > part_.x || delivered.x + delivered.width < part_.x + part_.width) std::abort();
    if (delivered.y != part_.y || delivered.height != part_.height) std::abort();
    first_ = static_cast<std::size_t>(part_.x - delivered.x) * 3;
    row_.resize(static_cast<std::size_t>(delivered.width) * 3);
  }
  std::uint8_t* slot() override { return row_.data(); }
  void push() override {
    const auto from = row_.begin() + static_cast<std::ptrdiff_t>(first_);
    pixels_.insert(pixels_.end(), from, from + std::ptrdiff_t{part_.width} * 3);
  }

  bool is_of(const image::Image& image) const {
    const auto size = static_cast<std::size_t>(part_.width) * 3;
    if (pixels_.size() != size * static_cast<std::size_t>(part_.height)) return false;
    for (int y = 0; y < part_.height; ++y) {
      const auto at = (static_cast<std::size_t>(part_.y + y) * static_cast<std::size_t>(image.width) +
                       static_cast<std::size_t>(part_.x)) *
                      3;
      if (!std::equal(&pixels_[static_cast<std::size_t>(y) * size], &pixels_[static_cast<std::size_t>(y) * size] + size,
                      image.pixels.begin() + static_cast<std::ptrdiff_t>(at))) {
        return false;
      }
    }
    return true;
  }

 private:
  image::Part part_;
  std::size_t first_ = 0;
  std::vector<std::uint8_t> row_;
  std::vector<std::uint8_t> pixels_;
};

/// Row by row a picture is what it is as a whole, or refused for the same reason.
inline void try_rows(std::span<const std::byte> file, const image::DecodeLimits& limits, image::DecodeOptions options) {
  options.apply_orientation = false;  // rows come as they are stored
  const auto whole = image::decode(file, limits, options);
  Middle middle;
  const auto rows = image::decode_rows(file, middle, limits, options);
  if (whole.has_value() != rows.has_value()) std::abort();
  if (whole ? !middle.is_of(whole->image) : whole.error().failure != rows.error().failure) std::abort();
}

/// What must hold of any bytes: refused with a sentence, or as large as the header said, at full scale as at a reduced
/// one. Where `magic` is given, bytes that begin otherwise are left alone, so that one decoder is met.
inline void try_picture(std::span<const std::byte> file, std::string_view magic = {}) {
  if (file.size() < magic.size()) return;
  for (std::size_t i = 0; i < magic.size(); ++i) {
    if (static_cast<char>(file[i]) != magic[i]) return;
  }
  image::DecodeLimits limits;
  limits.max_pixels = 200'000;
  limits.max_memory = 1'000'000;
  const auto probed = image::probe(file, limits);
  for (const int least : {0, 8}) {
    image::DecodeOptions options;
    options.least_shorter_side = least;
    options.composite_alpha = least == 0;
    try_rows(file, limits, options);
    const auto decoded = image::decode(file, limits, options);
    if (!decoded) {
      if (decoded.error().message.empty()) std::abort();
      continue;
    }
    const image::Image& image = decoded->image;
    const image::Extent& extent = decoded->extent;
    if (!probed || probed->width != decoded->info.width || probed->height != decoded->info.height) std::abort();
    if (least == 0 && (image.width != probed->width || image.height != probed->height)) std::abort();
    if (image.width > probed->width || image.height > probed->height || image.width < 1 || image.height < 1)
      std::abort();
    const auto pixels = static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height);
    if (pixels > limits.max_pixels || image.pixels.size() != pixels * 3) std::abort();
    if (extent.x < 0 || extent.y < 0 || extent.width <= 0 || extent.height <= 0 ||
        extent.x + extent.width > image.width || extent.y + extent.height > image.height) {
      std::abort();
    }
  }
}

}  // namespace imageclassifier::fuzz
