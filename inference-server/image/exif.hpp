#pragma once

#include <cstddef>
#include <span>

namespace imageclassifier::image {

/// The orientation (1..8) of a TIFF block as it stands in a PNG's eXIf chunk or after "Exif\0\0" in a JPEG's APP1
/// (Exif 2.32, tag 0x0112 of the 0th IFD). 1 when absent, malformed or outside 1..8: a picture is never refused for it.
int exif_orientation(std::span<const std::byte> tiff);

/// The same for the whole payload of an APP1 marker; 1 when it is not an Exif block.
int exif_orientation_of_app1(std::span<const std::byte> payload);

}  // namespace imageclassifier::image
