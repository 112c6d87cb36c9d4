#pragma once

#include <cstddef>

#include "common/clock.hpp"

namespace imageclassifier::kubernetes {

/// The HTTP libraries that a Transport can stand on; docs/designs/20261125-second-transport.md says how they differ.
enum class TransportKind {
  kCpprest,  ///< cpprestsdk: no IPv6 literals; of proxies only http:// without a user
  kCurl      ///< libcurl
};

struct TransportOptions {
  TransportKind kind = TransportKind::kCpprest;
  /// Largest answer of send(). A list of 10,000 objects of 6 KB is 60 MB.
  std::size_t maximum_body = 256U << 20U;
  /// Largest line of stream(). The API server's own limit for an object is about 3 MiB.
  std::size_t maximum_line = 16U << 20U;
  /// Connections of send() are given up after this age, so that load balances over API servers.
  Duration maximum_connection_age = std::chrono::minutes(5);
  /// Requests of send() at once; further ones wait, within their deadline. Streams are not counted: each watch is one.
  int maximum_requests = 32;
};

}  // namespace imageclassifier::kubernetes
