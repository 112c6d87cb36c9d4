// A .pth file as a whole: every tensor that is accepted lies within the file or in a copy of what does, with the size
// that its shape asks for. Checksums are left alone, so that damage gets further than them.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "inference-server/model/torch_archive.hpp"

using namespace imageclassifier::model;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto file = std::as_bytes(std::span(data, size));
  const auto parsed = parse_torch_file(file, ZipChecksums::kIgnore);
  if (!parsed) return 0;
  for (const auto& [name, tensor] : parsed->content.tensors) {
    const std::uint64_t element = tensor.dtype == "F32" ? 4 : tensor.dtype == "F16" || tensor.dtype == "BF16" ? 2 : 8;
    std::uint64_t bytes = element;
    for (const std::uint64_t extent : tensor.shape) bytes *= extent;
    if (bytes != tensor.data.size() || bytes > size) std::abort();
    unsigned char last = 0;  // a read outside is the sanitizer's to see
    for (const std::byte b : tensor.data) last ^= std::to_integer<unsigned char>(b);
    volatile unsigned char seen = last;
    static_cast<void>(seen);
  }
  return 0;
}
