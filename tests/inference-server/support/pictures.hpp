#pragma once

#include <algorithm>
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

/// Like a photo: noise whose amplitude falls with its frequency (octaves of linearly interpolated value noise).
inline image::Image photo(int width, int height, std::uint32_t seed) {
  image::Image image{width, height, {}};
  image.pixels.reserve(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3);
  const auto hash = [](std::uint32_t x, std::uint32_t y, std::uint32_t salt) {
    std::uint32_t value = x * 0x9E3779B1U ^ y * 0x85EBCA77U ^ salt * 0xC2B2AE3DU;
    value = (value ^ (value >> 15)) * 0x2C1B3C6DU;
    return static_cast<int>((value ^ (value >> 13)) & 255U) - 128;
  };
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (std::uint32_t channel = 0; channel < 3; ++channel) {
        int value = 128 * 1024;
        for (int shift = 0; shift < 9; ++shift) {
          const int size = 1 << shift;
          const auto left = static_cast<std::uint32_t>(x >> shift);
          const auto top = static_cast<std::uint32_t>(y >> shift);
          const std::uint32_t salt = seed * 64 + static_cast<std::uint32_t>(shift) * 4 + channel;
          const int right_part = x & (size - 1);
          const int lower_part = y & (size - 1);
          const int upper = hash(left, top, salt) * (size - right_part) + hash(left + 1, top, salt) * right_part;
          const int lower =
              hash(left, top + 1, salt) * (size - right_part) + hash(left + 1, top + 1, salt) * right_part;
          // Large cells weigh most; the constant is the grain of a sensor.
          value += (upper * (size - lower_part) + lower * lower_part) / (size * size) * (size + 12) * 2;
        }
        image.pixels.push_back(static_cast<std::uint8_t>(std::clamp(value / 1024, 0, 255)));
      }
    }
  }
  return image;
}

inline std::string big_endian(std::uint32_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
  return out;
}

/// A TIFF block that holds nothing but an orientation.
inline std::string exif(int orientation) {
  return std::string("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0", 19) + static_cast<char>(orientation) +
         std::string(6, '\0');
}

/// The JPEG file with an Exif marker behind its first two bytes.
inline std::vector<std::byte> with_orientation(const std::vector<std::byte>& jpeg, int orientation) {
  const std::string payload = std::string("Exif\0\0", 6) + exif(orientation);
  const std::size_t length = payload.size() + 2;
  const auto marker =
      to_bytes(std::string("\xFF\xE1") + static_cast<char>(length >> 8) + static_cast<char>(length & 255U) + payload);
  std::vector<std::byte> file = jpeg;
  file.insert(file.begin() + 2, marker.begin(), marker.end());
  return file;
}

/// A GIF of so many frames, each one pixel.
inline std::string gif_of_frames(int count) {
  using namespace std::string_literals;
  std::string gif = "GIF89a\x01\0\x01\0\x80\0\0\x10\x20\x30\xFF\xFF\xFF"s;
  for (int i = 0; i < count; ++i) gif += ",\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0"s;
  return gif + ";";
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
