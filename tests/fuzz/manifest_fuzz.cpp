// What a registry holds becomes a manifest whose words can be shown, or a refusal.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "operator/registry/manifest.hpp"

using namespace imageclassifier;
using namespace imageclassifier::registry;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto manifest = parse_manifest("", text)) {
    if (!manifest->is_index && !is_digest(manifest->configuration)) std::abort();
    for (const Platform& platform : manifest->platforms) {
      if (platform.os.empty() || to_string(platform).find_first_of("<> ") != std::string::npos) std::abort();
    }
  }
  if (const auto platform = parse_configuration(text); platform && platform->architecture.empty()) std::abort();
  return 0;
}
