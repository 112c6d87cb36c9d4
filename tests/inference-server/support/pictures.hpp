#pragma once

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "inference-server/image/decoder.hpp"

namespace imageclassifier::test {

/// Tests run in the repository's root.
inline const std::string kGoldens = "tests/inference-server/goldens/";

inline std::vector<std::byte> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

inline std::vector<std::byte> to_bytes(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

/// The noise that make_goldens.py draws: a 32-bit linear congruential sequence, bits 24..31 per sample.
inline image::Image noise(int width, int height, std::uint32_t seed) {
  image::Image image{width, height, {}};
  image.pixels.resize(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3);
  for (std::uint8_t& sample : image.pixels) {
    seed = seed * 1664525U + 1013904223U;
    sample = static_cast<std::uint8_t>(seed >> 24);
  }
  return image;
}

inline std::string big_endian(std::uint32_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
  return out;
}

/// A PNG chunk with a CRC of zero: enough for what is refused before the CRC is looked at.
inline std::string png_chunk(const std::string& type, const std::string& data) {
  return big_endian(static_cast<std::uint32_t>(data.size())) + type + data + std::string(4, '\0');
}

/// The beginning of an 8-bit RGB PNG that declares this size, without pixels.
inline std::string png_header(std::uint32_t width, std::uint32_t height) {
  return std::string("\x89PNG\r\n\x1A\n") +
         png_chunk("IHDR", big_endian(width) + big_endian(height) + std::string("\x08\x02\0\0\0", 5));
}

}  // namespace imageclassifier::test
