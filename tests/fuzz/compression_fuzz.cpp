// A compressed body: never more than the limit comes out of it. The first byte chooses the coding.
#include <cstdint>
#include <cstdlib>

#include "inference-server/protocol/compression.hpp"

using namespace imageclassifier;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  constexpr std::size_t kLimit = 4096;
  HttpRequest request{.method = "POST", .target = "/", .path = "/", .query = ""};
  request.headers = {{"Content-Encoding", data[0] % 2 == 0 ? "gzip" : "deflate"}};
  request.body.assign(data + 1, data + size);
  const auto problem = protocol::uncompress_body(request, kLimit);
  if (request.body.size() > kLimit) std::abort();
  if (problem && problem->code == protocol::ProblemCode::kInternal) std::abort();
  return 0;
}
