#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/http_server.hpp"
#include "common/result.hpp"
#include "inference-server/model/model.hpp"

namespace imageclassifier::protocol {

/// What the admin port does to the server; each may be called from any thread.
struct AdminActions {
  /// Takes as long as it takes. kConflict: one is under way; kUnavailable: there is no first model yet.
  std::function<Result<model::ModelInfo>()> reload;
  std::function<void()> drain;                 ///< begins what SIGTERM begins
  std::function<std::string()> configuration;  ///< the effective one, as YAML
};

/// POST /admin/reload, POST /admin/drain, GET /admin/config, GET and PUT /admin/log-level. For a listener of their own:
/// whoever reaches it may do all of this, so pages in browsers are kept out (403): a request with Origin or of another
/// site is refused, and one with a name as Host, which may be a stranger's, unless `names` allows them because requests
/// bring a token. `actions` is kept.
std::vector<HttpRoute> admin_routes(AdminActions actions, bool names);

/// Refusals of that listener; a 401 asks for a bearer token.
HttpResponse admin_refusal(const HttpRefusalContext& refusal);

}  // namespace imageclassifier::protocol
