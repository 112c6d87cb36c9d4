#pragma once

#include <string>

#include "common/result.hpp"
#include "operator/registry/settings.hpp"

namespace imageclassifier::app {

/// The settings in the YAML (or JSON) file of --registry-config; the default ones if `path` is empty. The message of an
/// error names the file. Errors: those of read_regular_file, kInvalidArgument.
Result<registry::Settings> load_registry_config(const std::string& path);

}  // namespace imageclassifier::app
