// Whatever Entra or a machine's metadata service answers becomes a token or a failure that quotes nothing.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "operator/registry/entra.hpp"

using namespace imageclassifier;
using namespace imageclassifier::registry;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  constexpr std::array kStatuses = {200, 400, 401, 404, 429, 503};
  constexpr WallTime kNow{std::chrono::seconds(1769846410)};
  const std::string text(reinterpret_cast<const char*>(data + 1), size - 1);
  const kubernetes::Response answer{
      kStatuses[data[0] % kStatuses.size()], {{"Date", text}, {"Retry-After", text}}, text};
  for (const auto& token : {read_entra(answer, kNow), read_metadata(answer, "client", kNow)}) {
    if (token && token->value.empty()) std::abort();
    if (!token && token.error().detail.size() > 64) std::abort();
    if (!token && token.error().retry_after > std::chrono::hours(1)) std::abort();
  }
  return 0;
}
