#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "inference-server/image/decoder.hpp"

namespace imageclassifier::demo {

/// The classes that the project draws itself, in the order of the demo model's labels; usable as folder names.
const std::vector<std::string>& labels();

/// The two sets never share a picture: the set is part of every picture's seed.
enum class PictureSet { kFitting, kHeldOut };

/// One drawn picture: random size (160..420 pixels a side), colours, place, turn, background and grain. The same
/// arguments give the same pixels. `label` is an index into labels(). Thread safe.
image::Image draw_picture(int label, PictureSet set, std::uint64_t seed, int index);

/// The same as a JPEG file of random quality, as a user would upload it.
std::vector<std::byte> draw_jpeg(int label, PictureSet set, std::uint64_t seed, int index);

struct DrawOptions {
  std::string output;  ///< folder; made when missing
  PictureSet set = PictureSet::kHeldOut;
  std::uint64_t seed = 1;
  int per_class = 10;
};

/// Writes <output>/<label>/<label>-<index>.jpg; returns how many. kUnavailable when the folder cannot be written.
Result<int> draw_pictures(const DrawOptions& options);

}  // namespace imageclassifier::demo
