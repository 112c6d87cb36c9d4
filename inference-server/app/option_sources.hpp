#pragma once

#include <string>
#include <vector>

#include "common/result.hpp"
#include "inference-server/app/options.hpp"
#include "inference-server/config/config_file.hpp"

namespace CLI {
class App;
}

namespace imageclassifier::app {

/// Before the command line is parsed: what the configuration file says becomes the default of `command`'s options and
/// of those of its parent, so that environment and flags go before it. Returns the file's settings. kInvalidArgument or
/// kNotFound, with file and line and, for a key that there is not, the nearest one that there is.
Result<std::vector<config::Setting>> apply_config_file(CLI::App& command, const std::string& path);

/// After that: every option that a configuration file can have, with its value and where that came from.
std::vector<config::Effective> effective_options(const CLI::App& command, const std::vector<config::Setting>& file);

/// The variables INFERENCE_* that no option of any command of `program` has, in the environment's order. Not those that
/// Kubernetes sets for a Service whose name begins with "inference": for S_SERVICE_HOST also S_SERVICE_PORT*, S_PORT
/// and S_PORT_* (kubelet, pkg/kubelet/envvars).
std::vector<UnknownVariable> unknown_variables(const CLI::App& program);

/// After a failure to parse: the first word that is neither option nor command, and what was probably meant; empty when
/// there is no such word.
std::string unknown_word(const CLI::App& program);

}  // namespace imageclassifier::app
