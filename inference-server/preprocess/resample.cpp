#include "inference-server/preprocess/resample.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "inference-server/image/orientation.hpp"
#include "inference-server/preprocess/resample_passes.hpp"
#include "inference-server/preprocess/resample_weights.hpp"

namespace imageclassifier::preprocess {
namespace {

const Kernels& kernels_of(InstructionSet set) {
#if defined(__x86_64__)
  if (set == InstructionSet::kAvx2) return kAvx2Kernels;
#endif
  static_cast<void>(set);
  return kScalarKernels;
}

struct Span {
  int begin;
  int count;
};

Span samples_of(const Weights& weights) {
  int begin = weights.windows.front().begin;
  int end = 0;
  for (const Weights::Window& window : weights.windows) {
    begin = std::min(begin, window.begin);
    end = std::max(end, window.begin + window.count);
  }
  return {begin, end - begin};
}

void shift(Weights& weights, int by) {
  for (Weights::Window& window : weights.windows) window.begin -= by;
}

/// The weights of the columns, or rows, as they are stored.
Weights stored_axis(const Resize& resize, bool columns) {
  const bool swapped = image::orientation_swaps_sides(resize.orientation);
  const bool mirrored =
      columns ? image::orientation_mirrors_x(resize.orientation) : image::orientation_mirrors_y(resize.orientation);
  if (columns != swapped) {
    return make_weights({resize.from_width, resize.extent.x, resize.extent.width, resize.width, resize.region.x,
                         resize.region.width, mirrored});
  }
  return make_weights({resize.from_height, resize.extent.y, resize.extent.height, resize.height, resize.region.y,
                       resize.region.height, mirrored});
}

}  // namespace

const std::vector<InstructionSet>& instruction_sets() {
  static const std::vector<InstructionSet> sets = [] {
    std::vector<InstructionSet> found{InstructionSet::kScalar};
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") != 0) found.push_back(InstructionSet::kAvx2);
#endif
    return found;
  }();
  return sets;
}

struct Resampler::Passes {
  Weights columns;
  Weights rows;
  int orientation;
  const Kernels& kernels;
  ImageRows result;
  std::unique_ptr<Pass> second;
  std::unique_ptr<Pass> first;
};

Resampler::Resampler(const Resize& resize, InstructionSet set) {
  Weights columns = stored_axis(resize, true);
  Weights rows = stored_axis(resize, false);
  const auto width = static_cast<int>(columns.windows.size());
  const auto height = static_cast<int>(rows.windows.size());
  passes_ = std::make_unique<Passes>(Passes{std::move(columns), std::move(rows), resize.orientation, kernels_of(set),
                                            ImageRows(width, height), nullptr, nullptr});
}

Resampler::~Resampler() = default;

image::Part Resampler::needed() const {
  const Span columns = samples_of(passes_->columns);
  const Span rows = samples_of(passes_->rows);
  return {columns.begin, rows.begin, columns.count, rows.count};
}

void Resampler::begin(const image::Part& delivered) {
  Passes& to = *passes_;
  shift(to.columns, delivered.x);
  shift(to.rows, delivered.y);
  // The upright picture's horizontal pass comes first: its rounding to 8 bits is part of the result.
  if (image::orientation_swaps_sides(to.orientation)) {
    to.second = std::make_unique<HorizontalPass>(to.kernels, to.columns, delivered.width, to.result);
    to.first = std::make_unique<VerticalPass>(to.kernels, to.rows, delivered.width, *to.second);
  } else {
    const auto narrow = static_cast<int>(to.columns.windows.size());
    to.second = std::make_unique<VerticalPass>(to.kernels, to.rows, narrow, to.result);
    to.first = std::make_unique<HorizontalPass>(to.kernels, to.columns, delivered.width, *to.second);
  }
}

std::uint8_t* Resampler::slot() {
  return passes_->first->slot();
}

void Resampler::push() {
  passes_->first->push();
}

image::Image Resampler::take() {
  passes_->first->flush();
  return image::make_upright(passes_->result.take(), passes_->orientation);
}

image::Image resample_bilinear(const image::Image& image, int width, int height, const Region& region,
                               InstructionSet set) {
  const image::Extent whole{0, 0, static_cast<double>(image.width), static_cast<double>(image.height)};
  return resample_bilinear(image, whole, width, height, region, set);
}

image::Image resample_bilinear(const image::Image& image, const image::Extent& extent, int width, int height,
                               const Region& region, InstructionSet set) {
  Resampler resampler({image.width, image.height, extent, width, height, region}, set);
  const image::Part part = resampler.needed();
  resampler.begin(part);
  for (int y = part.y; y < part.y + part.height; ++y) {
    const std::size_t at =
        static_cast<std::size_t>(y) * static_cast<std::size_t>(image.width) + static_cast<std::size_t>(part.x);
    std::memcpy(resampler.slot(), image.pixels.data() + at * 3, static_cast<std::size_t>(part.width) * 3);
    resampler.push();
  }
  return resampler.take();
}

}  // namespace imageclassifier::preprocess
