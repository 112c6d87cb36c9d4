#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "inference-server/image/row_sink.hpp"

/// The seam between decode() and one file per format; not for use outside this folder and its tests.
namespace imageclassifier::image {

template <typename T>
using DecodeResult = tl::expected<T, DecodeError>;

inline tl::unexpected<DecodeError> refuse(DecodeFailure failure, std::string message) {
  return tl::unexpected<DecodeError>(DecodeError{failure, std::move(message)});
}

/// kTooLarge with both sizes in the sentence, or nothing. Sizes are 64 bits so that no product overflows.
DecodeResult<void> check_size(std::uint64_t width, std::uint64_t height, const DecodeLimits& limits);

/// Frames of a GIF or WebP; counting ends there, so that a flood costs little.
inline constexpr std::uint32_t kMaxFrames = 1'000;
tl::unexpected<DecodeError> refuse_frames();

inline bool out_of_time(const DecodeLimits& limits) {
  return limits.out_of_time && limits.out_of_time();
}

/// The result of a decode at full size.
inline DecodedImage whole_picture(Image image, ImageInfo info) {
  const Extent extent{0, 0, static_cast<double>(image.width), static_cast<double>(image.height)};
  return {std::move(image), std::move(info), extent};
}

inline constexpr std::string_view kTruncatedMessage =
    "The picture ends before it is complete. Upload the whole file again.";
inline constexpr std::string_view kCorruptMessage = "The picture is damaged and cannot be decoded. Save it again.";

inline constexpr std::string_view kOutOfTimeMessage =
    "The time limit passed while the picture was decoded. Try again shortly, or send it smaller or not progressive.";
inline constexpr std::string_view kNoMemoryMessage = "The picture needs more memory than is free. Make it smaller.";

DecodeResult<DecodedImage> decode_jpeg(std::span<const std::byte> file, const DecodeLimits& limits,
                                       const DecodeOptions& options);
DecodeResult<ImageInfo> decode_jpeg_rows(std::span<const std::byte> file, RowSink& sink, const DecodeLimits& limits,
                                         const DecodeOptions& options);
DecodeResult<ImageInfo> probe_jpeg(std::span<const std::byte> file, const DecodeLimits& limits,
                                   const DecodeOptions& options);
DecodeResult<DecodedImage> decode_png(std::span<const std::byte> file, const DecodeLimits& limits,
                                      const DecodeOptions& options);
DecodeResult<ImageInfo> probe_png(std::span<const std::byte> file, const DecodeLimits& limits,
                                  const DecodeOptions& options);
DecodeResult<DecodedImage> decode_webp(std::span<const std::byte> file, const DecodeLimits& limits,
                                       const DecodeOptions& options);
DecodeResult<ImageInfo> probe_webp(std::span<const std::byte> file, const DecodeLimits& limits,
                                   const DecodeOptions& options);
DecodeResult<DecodedImage> decode_gif(std::span<const std::byte> file, const DecodeLimits& limits,
                                      const DecodeOptions& options);
DecodeResult<ImageInfo> probe_gif(std::span<const std::byte> file, const DecodeLimits& limits,
                                  const DecodeOptions& options);
DecodeResult<DecodedImage> decode_bmp(std::span<const std::byte> file, const DecodeLimits& limits,
                                      const DecodeOptions& options);
DecodeResult<ImageInfo> probe_bmp(std::span<const std::byte> file, const DecodeLimits& limits,
                                  const DecodeOptions& options);

/// "BM" alone is too little to call a file a picture: the size of the second header must be a known one.
bool is_bmp(std::span<const std::byte> file);

}  // namespace imageclassifier::image
