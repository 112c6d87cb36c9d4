#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "inference-server/image/decoder.hpp"

namespace imageclassifier::test {

/// What a JPEG of a test is like; the defaults are those of image::encode_jpeg().
struct JpegKind {
  int quality = 88;
  int across = 2;  ///< sampling of the first component against the others
  int down = 2;
  bool grey = false;
  bool progressive = false;
  bool one_scan_each = false;  ///< a scan for each component
  bool arithmetic = false;
  bool optimised = false;  ///< Huffman tables of the picture's own
  unsigned restart = 0;    ///< an interval in MCUs
};

/// For pictures that the encoder takes; ends the program at others.
std::vector<std::byte> write_jpeg(const image::Image& image, const JpegKind& kind);

/// What libjpeg alone makes of a file of three components: R G B, or nothing if it stops at it or finds it cut or
/// damaged.
std::optional<std::vector<std::uint8_t>> read_jpeg(const std::vector<std::byte>& file);

}  // namespace imageclassifier::test
