#include "inference-server/image/bmp_rle.hpp"

#include <algorithm>

namespace imageclassifier::image {
namespace {

enum Escape : std::uint8_t { kEndOfLine = 0, kEndOfBitmap = 1, kDelta = 2 };

/// Where the next pixel goes.
class Canvas {
 public:
  Canvas(std::size_t width, std::size_t height) : width_(width), height_(height), pixels_(width * height) {}

  void put(std::uint8_t index) {
    if (x_ < width_ && y_ < height_) pixels_[y_ * width_ + x_] = index;
    ++x_;
  }
  void move(std::size_t right, std::size_t up) {
    x_ += right;
    y_ += up;
  }
  void next_line() {
    x_ = 0;
    ++y_;
  }
  bool full() const { return y_ >= height_ || (y_ + 1 == height_ && x_ >= width_); }
  std::vector<std::uint8_t> take() { return std::move(pixels_); }

 private:
  std::size_t width_;
  std::size_t height_;
  std::size_t x_ = 0;
  std::size_t y_ = 0;
  std::vector<std::uint8_t> pixels_;
};

std::uint8_t half(std::uint8_t byte, std::size_t which) {
  return which % 2 == 0 ? static_cast<std::uint8_t>(byte >> 4U) : static_cast<std::uint8_t>(byte & 15U);
}

}  // namespace

DecodeResult<std::vector<std::uint8_t>> expand_rle(std::span<const std::byte> data, Rle kind, std::size_t width,
                                                   std::size_t height) {
  Canvas canvas(width, height);
  std::size_t at = 0;
  const auto byte = [&data](std::size_t i) { return std::to_integer<std::uint8_t>(data[i]); };
  const auto index = [&](std::size_t first, std::size_t pixel, std::size_t step) {
    return kind == Rle::k8 ? byte(first + pixel * step) : half(byte(first + pixel / 2 * step), pixel);
  };
  while (!canvas.full()) {
    if (data.size() - at < 2) return refuse(DecodeFailure::kTruncated, std::string(kTruncatedMessage));
    const std::size_t count = byte(at);
    const std::size_t what = byte(at + 1);
    at += 2;
    if (count > 0) {
      for (std::size_t i = 0; i < count; ++i) canvas.put(index(at - 1, i, 0));
    } else if (what == kEndOfBitmap) {
      break;
    } else if (what == kEndOfLine) {
      canvas.next_line();
    } else {
      const std::size_t bytes = what == kDelta ? 2 : kind == Rle::k8 ? what : (what + 1) / 2;
      if (data.size() - at < bytes) return refuse(DecodeFailure::kTruncated, std::string(kTruncatedMessage));
      if (what == kDelta) {
        canvas.move(byte(at), byte(at + 1));
      } else {
        for (std::size_t i = 0; i < what; ++i) canvas.put(index(at, i, 1));
      }
      at = std::min(at + bytes + bytes % 2, data.size());
    }
  }
  return canvas.take();
}

}  // namespace imageclassifier::image
