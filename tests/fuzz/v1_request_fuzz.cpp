// A prediction request of any bytes: refused, or 1 to 32 pictures that together are no longer than its text.
#include <cstdint>
#include <cstdlib>

#include "inference-server/protocol/v1_request.hpp"

using namespace imageclassifier;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(data, data + size);
  const auto pictures = protocol::parse_v1_request(text);
  if (!pictures) {
    if (pictures.error().detail.empty()) std::abort();
    return 0;
  }
  std::size_t bytes = 0;
  for (const std::string& picture : *pictures) bytes += picture.size();
  if (pictures->empty() || pictures->size() > 32 || bytes > size) std::abort();
  return 0;
}
