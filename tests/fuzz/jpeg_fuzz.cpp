#include "tests/fuzz/picture_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  imageclassifier::fuzz::try_picture(std::as_bytes(std::span(data, size)), "\xFF\xD8\xFF");
  return 0;
}
