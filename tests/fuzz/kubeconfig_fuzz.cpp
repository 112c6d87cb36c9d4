// A kubeconfig of any content is read or refused; nothing else.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "operator/kubernetes/client_config.hpp"

using namespace imageclassifier::kubernetes;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string kPath =
      std::filesystem::temp_directory_path() / ("imageclassifier-fuzz-" + std::to_string(getpid()));
  {
    std::ofstream file(kPath, std::ios::binary);
    file.write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  }
  LoadOptions options;
  options.kubeconfig = kPath;
  options.environment = [](const std::string&) -> std::optional<std::string> { return std::nullopt; };
  const auto config = load_client_config(options);
  if (config && config->server.rfind("http", 0) != 0) std::abort();
  std::filesystem::remove(kPath);
  return 0;
}
