#pragma once

#include <cstdint>
#include <vector>

#include "inference-server/image/decoder.hpp"
#include "inference-server/preprocess/resample_kernels.hpp"

/// The two passes of the resampler as a chain that rows are pushed through; not for use outside this folder.
namespace imageclassifier::preprocess {

/// Takes rows of R G B one by one.
class Pass {
 public:
  virtual ~Pass() = default;
  /// Where the next row goes; kSlack bytes behind it may be written.
  virtual std::uint8_t* slot() = 0;
  virtual void push() = 0;
  /// After the last row.
  virtual void flush() = 0;
};

/// The end of the chain: rows one below the other.
class ImageRows : public Pass {
 public:
  ImageRows(int width, int height);
  std::uint8_t* slot() override { return pixels_.data() + rows_ * stride_; }
  void push() override { ++rows_; }
  void flush() override {}
  image::Image take();

 private:
  int width_;
  int height_;
  std::size_t stride_;
  std::size_t rows_ = 0;
  std::vector<std::uint8_t> pixels_;
};

/// Narrows rows. Windows count from the first pixel of the rows that come in.
class HorizontalPass : public Pass {
 public:
  HorizontalPass(const Kernels& kernels, const Weights& weights, int in_width, Pass& next);
  std::uint8_t* slot() override { return in_.data() + filled_ * in_stride_; }
  void push() override;
  void flush() override;

 private:
  void narrow();

  const Kernels& kernels_;
  const Weights& weights_;
  Pass& next_;
  std::size_t in_stride_;
  std::size_t out_size_;
  std::size_t out_stride_;
  std::size_t filled_ = 0;
  std::vector<std::uint8_t> in_;
  std::vector<std::uint8_t> out_;
};

/// Merges rows; keeps those of one window, so that they stay in the caches however tall the picture is. Windows count
/// from the first row that comes in and come in ascending order.
class VerticalPass : public Pass {
 public:
  VerticalPass(const Kernels& kernels, const Weights& weights, int width, Pass& next);
  std::uint8_t* slot() override { return row(rows_); }
  void push() override;
  void flush() override { next_.flush(); }

 private:
  std::uint8_t* row(int index) { return ring_.data() + static_cast<std::size_t>(index) % weights_.stride * stride_; }

  const Kernels& kernels_;
  const Weights& weights_;
  Pass& next_;
  std::size_t size_;
  std::size_t stride_;
  int rows_ = 0;
  std::size_t output_ = 0;
  std::vector<std::uint8_t> ring_;
  std::vector<std::uint8_t> out_;
  std::vector<const std::uint8_t*> window_;
};

}  // namespace imageclassifier::preprocess
