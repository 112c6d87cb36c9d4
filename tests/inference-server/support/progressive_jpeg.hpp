#pragma once

#include <string>

namespace imageclassifier::test {

/// A valid progressive JPEG of one colour, whose components are all sampled alike: a few bits per block, so that a huge
/// one is a small file. `components`: 1, 3 or 4. `scans` of one coefficient each follow the first, each a few bytes for
/// the whole picture.
inline std::string progressive_jpeg(unsigned width, unsigned height, unsigned components, unsigned scans = 0) {
  const auto byte = [](unsigned value) { return std::string(1, static_cast<char>(value & 255U)); };
  const auto two = [&](unsigned value) { return byte(value >> 8) + byte(value); };
  const auto table = [&](unsigned id, unsigned symbol) {
    return "\xFF\xC4" + two(20) + byte(id) + byte(1) + std::string(15, '\0') + byte(symbol);
  };
  std::string file = "\xFF\xD8\xFF\xDB" + two(67) + byte(0) + std::string(64, '\1');
  file += "\xFF\xC2" + two(8 + 3 * components) + byte(8) + two(height) + two(width) + byte(components);
  for (unsigned i = 1; i <= components; ++i) file += byte(i) + byte(0x11) + byte(0);
  constexpr unsigned kRunOf16384Blocks = 0xE0;
  file += table(0x00, 0) + table(0x10, kRunOf16384Blocks);
  file += "\xFF\xDA" + two(6 + 2 * components) + byte(components);
  for (unsigned i = 1; i <= components; ++i) file += byte(i) + byte(0);
  const unsigned blocks = (width + 7) / 8 * ((height + 7) / 8);
  file += std::string(3, '\0') + std::string((blocks * components + 7) / 8, '\0');
  const unsigned runs = (blocks + 32'766) / 32'767;
  for (unsigned scan = 0; scan < scans; ++scan) {
    const unsigned coefficient = 1 + scan % 63;
    file += "\xFF\xDA" + two(8) + byte(1) + byte(1) + byte(0) + byte(coefficient) + byte(coefficient) + byte(0);
    // The code of the run and 14 bits that lengthen it to 32,767 blocks.
    std::string bits;
    for (unsigned i = 0; i < runs; ++i) bits += "0" + std::string(14, '1');
    bits.resize((bits.size() + 7) / 8 * 8, '1');
    for (std::size_t i = 0; i < bits.size(); i += 8) {
      unsigned value = 0;
      for (std::size_t j = 0; j < 8; ++j) value = value * 2 + (bits[i + j] == '1' ? 1 : 0);
      file += byte(value);
      if (value == 255) file += byte(0);
    }
  }
  return file + "\xFF\xD9";
}

}  // namespace imageclassifier::test
