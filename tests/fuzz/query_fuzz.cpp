// The query of /v1/classify.
#include <cstdint>
#include <cstdlib>

#include "inference-server/protocol/query.hpp"

using namespace imageclassifier::protocol;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string query(data, data + size);
  const auto parsed = parse_classify_query(query, 5);
  if (parsed && (parsed->options.k < 1 || parsed->options.k > 100)) std::abort();
  if (!parsed && parsed.error().code != ProblemCode::kBadParameter) std::abort();
  if (parsed && parsed->options.k != 5 && query.find("k=") == std::string::npos) std::abort();
  if (parse_classify_query(query + "&k=1&k=1", 5)) std::abort();
  return 0;
}
