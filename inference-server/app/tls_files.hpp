#pragma once

#include "common/http_server.hpp"
#include "inference-server/app/options.hpp"

namespace imageclassifier::app {

/// The PEM files that --tls-certificate and --tls-key name; no value when neither is given. kInvalidArgument: one is
/// given without the other; kNotFound: one cannot be read.
Result<std::optional<HttpTlsPair>> read_tls_files(const ServeOptions& options);

}  // namespace imageclassifier::app
