// A configuration file of any bytes: refused, or read into settings, each with its line.
#include <cstdint>
#include <cstdlib>

#include "inference-server/config/config_file.hpp"

using namespace imageclassifier;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto settings = config::parse_config(std::string(data, data + size));
  if (!settings) return 0;
  for (const config::Setting& setting : *settings) {
    if (setting.list && setting.value.empty()) std::abort();
    if (setting.line < 1) std::abort();
  }
  return 0;
}
