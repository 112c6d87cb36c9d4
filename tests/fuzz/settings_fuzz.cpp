// Whatever the registry settings hold becomes settings without surprises, or a refusal.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "operator/registry/settings.hpp"

using namespace imageclassifier;
using namespace imageclassifier::registry;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto document = nlohmann::json::parse(data, data + size, nullptr, false);
  if (document.is_discarded()) return 0;
  const auto settings = parse_settings(document);
  if (!settings && settings.error().message.empty()) std::abort();
  for (const auto& [name, cloud] : settings ? settings->clouds : std::map<std::string, Cloud>{}) {
    if (cloud.authority.empty() || cloud.authority.find_first_of("/@ ") != std::string::npos) std::abort();
  }
  return 0;
}
