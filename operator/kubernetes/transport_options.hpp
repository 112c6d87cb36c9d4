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
  /// Largest answer of send(). A single object has at most about 3 MiB, the API server's own limit; a page of a list
  /// has 500 objects, for which this is 64 KiB each, several times of what a pod with its managed fields takes. A whole
  /// list that is larger is read page by page instead (runtime/reflector.hpp). A body takes up to twice its size while
  /// it grows, and malloc keeps some of it: at most 100 MB were measured (transport_memory_test), which fit into the
  /// 256Mi of the pod (charts/) beside the 80 MB of ten thousand resources. A limit of 256 MiB could not be met: the
  /// pod would be ended before.
  std::size_t maximum_body = 32U << 20U;
  /// Largest line of stream(): one object of at most about 3 MiB, several times over.
  std::size_t maximum_line = 16U << 20U;
  /// Connections of send() are given up after this age, so that load balances over API servers.
  Duration maximum_connection_age = std::chrono::minutes(5);
  /// Requests of send() at once; further ones wait, within their deadline. Streams are not counted: each watch is one.
  int maximum_requests = 32;
};

}  // namespace imageclassifier::kubernetes
