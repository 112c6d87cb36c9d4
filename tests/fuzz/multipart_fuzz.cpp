// The multipart parser with its boundary and the shown file names. The first line is the content type.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "inference-server/protocol/multipart.hpp"

using namespace imageclassifier::protocol;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(data, data + size);
  const auto line = input.find('\n');
  if (line == std::string::npos) return 0;
  const std::string boundary = multipart_boundary(input.substr(0, line));
  const std::string_view body = std::string_view(input).substr(line + 1);
  const auto parts = parse_multipart(body, boundary.empty() ? "B" : boundary);
  if (!parts) return 0;
  if (parts->size() > kMaxParts) std::abort();
  for (const Part& part : *parts) {
    if (part.body.data() < body.data() || part.body.data() + part.body.size() > body.data() + body.size()) std::abort();
    const std::string name = display_name(part.filename);
    if (name.size() > 255 || name.find('/') != std::string::npos || name.find('\n') != std::string::npos) std::abort();
  }
  return 0;
}
