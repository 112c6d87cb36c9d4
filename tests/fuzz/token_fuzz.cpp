// A token answer, and the claims of a token, are read within their bounds and never quoted.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "operator/registry/token.hpp"

using namespace imageclassifier;
using namespace imageclassifier::registry;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  constexpr WallTime kNow{std::chrono::seconds(1769846410)};
  const Secret body{std::string(text)};
  if (const auto claims = parse_claims(body); claims && claims->expires && *claims->expires < WallTime{}) std::abort();
  if (const auto token = parse_token(body, kNow); token && token->value.empty()) std::abort();
  return 0;
}
