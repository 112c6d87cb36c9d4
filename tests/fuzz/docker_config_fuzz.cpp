// A docker configuration of a user is matched with a server as the kubelet does.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "operator/registry/docker_config.hpp"

using namespace imageclassifier;
using namespace imageclassifier::registry;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Secret config{std::string(text)};
  match_docker_config(config, "contoso.azurecr.io");
  match_docker_config(config, "docker.io");
  if (const auto bytes = base64_decode(text); bytes && base64_encode(*bytes).size() != text.size()) std::abort();
  return 0;
}
