#include "inference-server/preprocess/preprocess.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "inference-server/image/orientation.hpp"
#include "inference-server/preprocess/resample.hpp"

namespace imageclassifier::preprocess {
namespace {

/// Where one side of the crop lies: `begin` in the resized picture and how many black samples stand before it.
struct Side {
  int begin = 0;
  int count = 0;
  int pad_before = 0;
};

/// torchvision's center_crop: black padding, the odd sample after the picture; else the offset rounded half to even.
Side crop_side(int size, int crop) {
  if (size < crop) return {0, size, (crop - size) / 2};
  return {static_cast<int>(std::nearbyint((size - crop) / 2.0)), crop, 0};
}

int longer_side(int resize, int longer, int shorter) {
  return static_cast<int>(static_cast<double>(resize) * longer / shorter);
}

using Table = std::array<float, 256>;

Table normalised_values(float mean, float deviation) {
  Table table{};
  for (std::size_t value = 0; value < table.size(); ++value) {
    table[value] = (static_cast<float>(value) / 255.0F - mean) / deviation;
  }
  return table;
}

/// The crop of a picture whose geometry is that of width x height pixels, and where it lies in its padding.
struct Crop {
  Resize resize;
  Side across;
  Side down;
};

Crop crop_of(int width, int height, const TransformSpec& spec) {
  const bool portrait = width <= height;
  Crop crop;
  crop.resize.width = portrait ? spec.resize : longer_side(spec.resize, width, height);
  crop.resize.height = portrait ? longer_side(spec.resize, height, width) : spec.resize;
  crop.across = crop_side(crop.resize.width, spec.crop);
  crop.down = crop_side(crop.resize.height, spec.crop);
  crop.resize.region = {crop.across.begin, crop.down.begin, crop.across.count, crop.down.count};
  return crop;
}

image::Image resample(const image::Image& image, const image::Extent& extent, const Crop& crop) {
  return resample_bilinear(image, extent, crop.resize.width, crop.resize.height, crop.resize.region);
}

/// Adds up times; without a clock none.
class Stopwatch {
 public:
  explicit Stopwatch(const Clock* clock) : clock_(clock) {}
  void start() {
    if (clock_ != nullptr) begin_ = clock_->steady_now();
  }
  void stop() {
    if (clock_ != nullptr) total_ += clock_->steady_now() - begin_;
  }
  Duration total() const { return total_; }

 private:
  const Clock* clock_;
  SteadyTime begin_{};
  Duration total_{};
};

/// Resamples rows as they come out of the decoder, while they are in the cache.
class CropSink : public image::RowSink {
 public:
  CropSink(const TransformSpec& spec, Stopwatch& watch) : spec_(spec), watch_(watch) {}

  image::Part choose(const image::Frame& frame) override {
    crop_ = crop_of(frame.info.width, frame.info.height, spec_);
    Resize& resize = crop_.resize;
    resize.from_width = frame.width;
    resize.from_height = frame.height;
    if (image::orientation_swaps_sides(frame.orientation)) std::swap(resize.from_width, resize.from_height);
    resize.extent = frame.extent;
    resize.orientation = frame.orientation;
    resampler_.emplace(resize);
    return resampler_->needed();
  }
  void begin(const image::Part& delivered) override { resampler_->begin(delivered); }
  std::uint8_t* slot() override { return resampler_->slot(); }
  void push() override {
    watch_.start();
    resampler_->push();
    watch_.stop();
  }

  const Crop& crop() const { return crop_; }
  image::Image take() { return resampler_->take(); }

 private:
  const TransformSpec& spec_;
  Stopwatch& watch_;
  Crop crop_;
  std::optional<Resampler> resampler_;
};

Input normalise(const image::Image& cropped, const Crop& crop, const TransformSpec& spec) {
  const auto& [resize, across, down] = crop;
  Input input;
  input.height = spec.crop;
  input.width = spec.crop;
  const auto side = static_cast<std::size_t>(spec.crop);
  input.values.resize(side * side * 3);
  for (std::size_t channel = 0; channel < 3; ++channel) {
    const Table table = normalised_values(spec.mean[channel], spec.std[channel]);
    float* plane = input.values.data() + channel * side * side;
    std::fill_n(plane, side * side, table[0]);
    const std::uint8_t* in = cropped.pixels.data() + channel;
    for (int y = 0; y < down.count; ++y) {
      float* out = plane + static_cast<std::size_t>(y + down.pad_before) * side + across.pad_before;
      for (int x = 0; x < across.count; ++x, in += 3) out[x] = table[*in];
    }
  }
  return input;
}

}  // namespace

Input preprocess(const image::Image& image, const TransformSpec& spec) {
  const Crop crop = crop_of(image.width, image.height, spec);
  const image::Extent whole{0, 0, static_cast<double>(image.width), static_cast<double>(image.height)};
  return normalise(resample(image, whole, crop), crop, spec);
}

Input preprocess(const image::DecodedImage& decoded, const TransformSpec& spec) {
  const Crop crop = crop_of(decoded.info.width, decoded.info.height, spec);
  return normalise(resample(decoded.image, decoded.extent, crop), crop, spec);
}

tl::expected<PreprocessedFile, image::DecodeError> preprocess_file(std::span<const std::byte> file,
                                                                   const TransformSpec& spec,
                                                                   const FileOptions& options) {
  Stopwatch watch(options.clock);
  CropSink sink(spec, watch);
  auto info = image::decode_rows(file, sink, options.limits, options.decode);
  if (!info) return tl::unexpected(std::move(info.error()));
  watch.start();
  Input input = normalise(sink.take(), sink.crop(), spec);
  watch.stop();
  return PreprocessedFile{std::move(input), std::move(*info), watch.total()};
}

image::Image resize_and_crop(const image::DecodedImage& decoded, const TransformSpec& spec) {
  const Crop crop = crop_of(decoded.info.width, decoded.info.height, spec);
  const auto& [resize, across, down] = crop;
  const image::Image cropped = resample(decoded.image, decoded.extent, crop);
  const auto side = static_cast<std::size_t>(spec.crop);
  image::Image padded{spec.crop, spec.crop, std::vector<std::uint8_t>(side * side * 3)};
  for (int y = 0; y < down.count; ++y) {
    const std::size_t row =
        static_cast<std::size_t>(y + down.pad_before) * side + static_cast<std::size_t>(across.pad_before);
    std::copy_n(cropped.pixels.begin() + static_cast<std::ptrdiff_t>(y) * across.count * 3, across.count * 3,
                padded.pixels.begin() + static_cast<std::ptrdiff_t>(row * 3));
  }
  return padded;
}

image::Image resize_bilinear(const image::Image& image, int width, int height) {
  return resample_bilinear(image, width, height, {0, 0, width, height});
}

}  // namespace imageclassifier::preprocess
