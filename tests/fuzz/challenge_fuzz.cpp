// A WWW-Authenticate header becomes challenges with a scheme each, or a refusal.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "operator/registry/challenge.hpp"

using namespace imageclassifier;
using namespace imageclassifier::registry;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto challenges = parse_challenges(text);
  if (!challenges) return 0;
  for (const Challenge& challenge : *challenges) {
    if (challenge.scheme.empty() || (!challenge.token68.empty() && !challenge.parameters.empty())) std::abort();
  }
  return 0;
}
