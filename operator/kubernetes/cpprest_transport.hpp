#pragma once

#include <cstddef>
#include <memory>

#include "common/clock.hpp"
#include "common/result.hpp"
#include "operator/kubernetes/client_config.hpp"
#include "operator/kubernetes/transport.hpp"

namespace imageclassifier::kubernetes {

/// Limits cpprestsdk's thread pool to 4 and keeps OpenSSL from loading the system's CAs into every connection. Call
/// once, first in main, before any other thread starts (it changes the environment) and before any transport.
void initialize_cpprest_process();

struct CpprestOptions {
  /// Largest answer of send(). A list of 10,000 objects of 6 KB is 60 MB.
  std::size_t maximum_body = 256U << 20U;
  /// Largest line of stream(). The API server's own limit for an object is about 3 MiB.
  std::size_t maximum_line = 16U << 20U;
  /// Connections are given up after this age, so that load balances over API servers.
  Duration maximum_client_age = std::chrono::minutes(5);
};

/// A Transport on cpprestsdk's HTTP/1.1 client. No redirects, only the configured CA trusted, each POST on a fresh
/// connection (cpprestsdk silently repeats requests on reused ones). The library's threads are never blocked, every
/// task is observed. Errors: kInvalidArgument (CA, certificate or key cannot be parsed), kUnsupported (IPv6 literal:
/// cpprestsdk cannot resolve it; use a DNS name). `clock` must outlive the transport.
Result<std::unique_ptr<Transport>> make_cpprest_transport(const ClientConfig& config, const CpprestOptions& options,
                                                          Clock& clock);

}  // namespace imageclassifier::kubernetes
