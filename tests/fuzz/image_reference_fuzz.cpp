// The name of an image becomes its parts, or a sentence about what is wrong with it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "operator/registry/image_reference.hpp"

using namespace imageclassifier;
using namespace imageclassifier::registry;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto reference = parse_image_reference(text);
  if (reference && (reference->server.empty() || reference->repository.empty())) std::abort();
  if (reference && reference->tag.empty() && reference->digest.empty()) std::abort();
  return 0;
}
