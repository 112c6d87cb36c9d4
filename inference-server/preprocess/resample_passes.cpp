#include "inference-server/preprocess/resample_passes.hpp"

#include <cstring>

#include "inference-server/preprocess/resample_weights.hpp"

namespace imageclassifier::preprocess {

ImageRows::ImageRows(int width, int height)
    : width_(width),
      height_(height),
      stride_(static_cast<std::size_t>(width) * 3),
      pixels_(static_cast<std::size_t>(height) * stride_ + kSlack) {}

image::Image ImageRows::take() {
  pixels_.resize(static_cast<std::size_t>(height_) * stride_);
  return {width_, height_, std::move(pixels_)};
}

HorizontalPass::HorizontalPass(const Kernels& kernels, const Weights& weights, int in_width, Pass& next)
    : kernels_(kernels),
      weights_(weights),
      next_(next),
      in_stride_(static_cast<std::size_t>(in_width) * 3 + kSlack),
      out_size_(weights.windows.size() * 3),
      out_stride_(out_size_ + kSlack),
      in_(kRowsAtOnce * in_stride_),
      out_(kRowsAtOnce * out_stride_) {}

void HorizontalPass::push() {
  if (++filled_ == kRowsAtOnce) narrow();
}

/// The kernel takes rows by the full number; what it makes of those that are not filled goes no further.
void HorizontalPass::narrow() {
  const std::uint8_t* in[kRowsAtOnce];
  std::uint8_t* out[kRowsAtOnce];
  for (std::size_t i = 0; i < kRowsAtOnce; ++i) {
    in[i] = in_.data() + i * in_stride_;
    out[i] = out_.data() + i * out_stride_;
  }
  kernels_.horizontal(in, out, weights_);
  for (std::size_t i = 0; i < filled_; ++i) {
    std::memcpy(next_.slot(), out[i], out_size_);
    next_.push();
  }
  filled_ = 0;
}

void HorizontalPass::flush() {
  if (filled_ > 0) narrow();
  next_.flush();
}

VerticalPass::VerticalPass(const Kernels& kernels, const Weights& weights, int width, Pass& next)
    : kernels_(kernels),
      weights_(weights),
      next_(next),
      size_(static_cast<std::size_t>(width) * 3),
      stride_(round_up(size_, kBlock) + kSlack),
      ring_(weights.stride * stride_),
      out_(round_up(size_, kBlock)) {}

void VerticalPass::push() {
  ++rows_;
  while (output_ < weights_.windows.size()) {
    const auto [begin, count] = weights_.windows[output_];
    if (begin + count > rows_) return;
    window_.clear();
    for (int k = 0; k < count; ++k) window_.push_back(row(begin + k));
    kernels_.vertical(window_.data(), out_.data(), size_, weights_, output_++);
    std::memcpy(next_.slot(), out_.data(), size_);
    next_.push();
  }
}

}  // namespace imageclassifier::preprocess
