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

/// Called once, before the bytes are allocated. kNeedsMemory with both figures in the sentence, where `instead` says
/// what to do; kOutOfTime when they are not admitted; or nothing.
DecodeResult<void> check_memory(std::uint64_t bytes, const DecodeLimits& limits,
                                std::string_view instead = "Make it smaller.");

/// Frames of a GIF or WebP; counting ends there, so that a flood costs little.
inline constexpr std::uint32_t kMaxFrames = 1'000;
tl::unexpected<DecodeError> refuse_frames();

inline bool out_of_time(const DecodeLimits& limits) {
  return limits.out_of_time && limits.out_of_time();
}

/// A picture at full size, of which `info` tells. What the sink chooses of it is delivered, no more.
Part choose_part(RowSink& sink, const ImageInfo& info, int orientation = 1);

/// Hands on one row: R G B, or R G B A to be put on white.
void push_row(RowSink& sink, const std::uint8_t* pixels, std::size_t channels, int count);

inline constexpr std::string_view kTruncatedMessage =
    "The picture ends before it is complete. Upload the whole file again.";
inline constexpr std::string_view kCorruptMessage = "The picture is damaged and cannot be decoded. Save it again.";

inline constexpr std::string_view kOutOfTimeMessage =
    "The time limit passed while the picture was decoded. Try again shortly, or send it smaller or not progressive.";
inline constexpr std::string_view kNoMemoryMessage = "The picture needs more memory than is free. Make it smaller.";

DecodeResult<ImageInfo> decode_jpeg_rows(std::span<const std::byte> file, RowSink& sink, const DecodeLimits& limits,
                                         const DecodeOptions& options);
DecodeResult<ImageInfo> probe_jpeg(std::span<const std::byte> file, const DecodeLimits& limits,
                                   const DecodeOptions& options);
DecodeResult<ImageInfo> decode_png_rows(std::span<const std::byte> file, RowSink& sink, const DecodeLimits& limits,
                                        const DecodeOptions& options);
DecodeResult<ImageInfo> probe_png(std::span<const std::byte> file, const DecodeLimits& limits,
                                  const DecodeOptions& options);
DecodeResult<ImageInfo> decode_webp_rows(std::span<const std::byte> file, RowSink& sink, const DecodeLimits& limits,
                                         const DecodeOptions& options);
DecodeResult<ImageInfo> probe_webp(std::span<const std::byte> file, const DecodeLimits& limits,
                                   const DecodeOptions& options);
DecodeResult<ImageInfo> decode_gif_rows(std::span<const std::byte> file, RowSink& sink, const DecodeLimits& limits,
                                        const DecodeOptions& options);
DecodeResult<ImageInfo> probe_gif(std::span<const std::byte> file, const DecodeLimits& limits,
                                  const DecodeOptions& options);
DecodeResult<ImageInfo> decode_bmp_rows(std::span<const std::byte> file, RowSink& sink, const DecodeLimits& limits,
                                        const DecodeOptions& options);
DecodeResult<ImageInfo> probe_bmp(std::span<const std::byte> file, const DecodeLimits& limits,
                                  const DecodeOptions& options);

/// "BM" alone is too little to call a file a picture: the size of the second header must be a known one.
bool is_bmp(std::span<const std::byte> file);

}  // namespace imageclassifier::image
