#pragma once

#include <array>
#include <vector>

#include "common/clock.hpp"
#include "inference-server/image/decoder.hpp"

namespace imageclassifier::preprocess {

/// How pixels become the network's input; torchvision's ImageClassification preset (transforms/_presets.py).
struct TransformSpec {
  int resize = 232;  ///< pixels of the shorter side: 256 for V1 weights, 232 for V2
  int crop = 224;    ///< pixels, square, centred with torchvision's half-even rounding
  std::array<float, 3> mean{0.485F, 0.456F, 0.406F};
  std::array<float, 3> std{0.229F, 0.224F, 0.225F};
};

/// As the first (V1) and the second (V2) of torchvision's weights for ImageNet were evaluated.
inline constexpr TransformSpec kImagenetV1{.resize = 256};
inline constexpr TransformSpec kImagenetV2{.resize = 232};

/// One network input: 3 x crop x crop float32, channel planes R, G, B, row-major; (value / 255 - mean) / std.
struct Input {
  int channels = 3;
  int height = 0;
  int width = 0;
  std::vector<float> values;
};

/// PIL-exact anti-aliased bilinear resize of the shorter side, centre crop, normalisation. A side that is below the
/// crop after the resize is padded with black, as torchvision does. Thread safe.
Input preprocess(const image::Image& image, const TransformSpec& spec);

/// The same of what image::decode() returned: the size that the file declares decides the geometry, so that a decode at
/// a reduced scale sees the same part of the picture.
Input preprocess(const image::DecodedImage& decoded, const TransformSpec& spec);

struct FileOptions {
  image::DecodeLimits limits;
  image::DecodeOptions decode;
  const Clock* clock = nullptr;  ///< measures `resize`
};

struct PreprocessedFile {
  Input input;
  image::ImageInfo info;
  Duration resize{};  ///< the part of the time that went into resampling and normalising; 0 without a clock
};

/// image::decode() and preprocess() in one, to the same bits: rows are resampled as they are decoded, and of a JPEG
/// only what the crop needs is computed, in the memory of some rows.
tl::expected<PreprocessedFile, image::DecodeError> preprocess_file(std::span<const std::byte> file,
                                                                   const TransformSpec& spec,
                                                                   const FileOptions& options = {});

/// The crop x crop pixels before their normalisation, padding included.
image::Image resize_and_crop(const image::DecodedImage& decoded, const TransformSpec& spec);

/// The resize alone, bit-exact with Pillow's Image.resize(BILINEAR) (Resample.c).
image::Image resize_bilinear(const image::Image& image, int width, int height);

}  // namespace imageclassifier::preprocess
