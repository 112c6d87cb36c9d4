#pragma once

#include <memory>
#include <optional>

#include "common/http_server.hpp"
#include "inference-server/app/options.hpp"
#include "inference-server/protocol/admin.hpp"
#include "inference-server/protocol/bearer_auth.hpp"

namespace imageclassifier::app {

/// The listener of --admin-listen, or nothing without it. On a loopback address it speaks HTTP and, without `tokens`,
/// to everyone on this machine. On any other it needs tokens, and speaks HTTPS where there is `tls`. `tokens` must
/// outlive it. kInvalidArgument: an address that is none, or not a loopback one without tokens.
Result<std::unique_ptr<HttpServer>> start_admin_server(const ServeOptions& options, std::optional<HttpTlsPair> tls,
                                                       protocol::BearerAuth* tokens, protocol::AdminActions actions);

}  // namespace imageclassifier::app
