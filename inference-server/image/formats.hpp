#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "inference-server/image/decoder.hpp"

/// The seam between decode() and one file per format; not for use outside this folder and its tests.
namespace imageclassifier::image {

template <typename T>
using DecodeResult = tl::expected<T, DecodeError>;

inline tl::unexpected<DecodeError> refuse(DecodeFailure failure, std::string message) {
  return tl::unexpected<DecodeError>(DecodeError{failure, std::move(message)});
}

/// kTooLarge with both sizes in the sentence, or nothing. Sizes are 64 bits so that no product overflows.
DecodeResult<void> check_size(std::uint64_t width, std::uint64_t height, const DecodeLimits& limits);

inline constexpr std::string_view kTruncatedMessage =
    "The picture ends before it is complete. Upload the whole file again.";
inline constexpr std::string_view kCorruptMessage = "The picture is damaged and cannot be decoded. Save it again.";

DecodeResult<DecodedImage> decode_jpeg(std::span<const std::byte> file, const DecodeLimits& limits);
DecodeResult<ImageInfo> probe_jpeg(std::span<const std::byte> file, const DecodeLimits& limits);
DecodeResult<DecodedImage> decode_png(std::span<const std::byte> file, const DecodeLimits& limits);
DecodeResult<ImageInfo> probe_png(std::span<const std::byte> file, const DecodeLimits& limits);

}  // namespace imageclassifier::image
