#pragma once

#include <memory>

#include "common/clock.hpp"
#include "common/result.hpp"
#include "operator/kubernetes/client_config.hpp"
#include "operator/kubernetes/tls_identity_source.hpp"
#include "operator/kubernetes/transport.hpp"
#include "operator/kubernetes/transport_options.hpp"

namespace imageclassifier::kubernetes {

/// Limits cpprestsdk's thread pool to one thread and keeps OpenSSL from loading the system's CAs into every connection.
/// Call once, first in main, before any other thread starts (it changes the environment) and before any transport.
void initialize_cpprest_process();

/// A Transport on cpprestsdk's HTTP/1.1 client; use make_transport(). No redirects, only the identity's CA trusted,
/// each POST on a fresh connection (cpprestsdk silently repeats requests on reused ones). The library's threads are
/// never blocked, every task is observed. kUnsupported: the server is an IPv6 literal (cpprestsdk cannot resolve it),
/// or the proxy is of a kind that it does not know.
Result<std::unique_ptr<Transport>> make_cpprest_transport(const ClientConfig& config, const TransportOptions& options,
                                                          std::shared_ptr<TlsIdentitySource> identity, Clock& clock);

}  // namespace imageclassifier::kubernetes
