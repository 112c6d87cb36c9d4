#include "operator/app/registry_config.hpp"

#include <nlohmann/json.hpp>

#include "common/file.hpp"
#include "operator/cli/yaml.hpp"

namespace imageclassifier::app {
namespace {

constexpr std::uint64_t kMaximumFile = 1024 * 1024;

}  // namespace

Result<registry::Settings> load_registry_config(const std::string& path) {
  if (path.empty()) return registry::Settings{};
  const auto text = read_regular_file(path, kMaximumFile);
  if (!text) return fail(text.error());
  const auto named = [&](const Error& error) { return fail(error.code, path + ": " + error.message); };
  const auto document = cli::read_yaml(*text);
  if (!document) return named(document.error());
  auto settings = registry::parse_settings(*document);
  if (!settings) return named(settings.error());
  return settings;
}

}  // namespace imageclassifier::app
