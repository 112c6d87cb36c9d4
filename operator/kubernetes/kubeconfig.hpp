#pragma once

#include <string>
#include <vector>

#include "common/result.hpp"
#include "operator/kubernetes/client_config.hpp"

namespace imageclassifier::kubernetes {

/// One or several kubeconfig files as one, merged as client-go does: of entries with the same name the first file's
/// counts whole; of current-context the first that is set. Of several files some may be missing (logged as a warning).
/// `context` empty: current-context. `source` names the files in messages. Errors: see load_client_config().
Result<ClientConfig> load_kubeconfig(const std::vector<std::string>& paths, const std::string& context,
                                     const std::string& source);

}  // namespace imageclassifier::kubernetes
