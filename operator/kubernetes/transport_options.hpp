#pragma once

#include <cstddef>

#include "common/clock.hpp"

struct sockaddr;

namespace imageclassifier::kubernetes {

/// The HTTP libraries that a Transport can stand on; docs/designs/20261125-second-transport.md says how they differ.
enum class TransportKind {
  kCpprest,  ///< cpprestsdk: no IPv6 literals; of proxies only http:// without a user
  kCurl      ///< libcurl
};

struct TransportOptions {
  TransportKind kind = TransportKind::kCpprest;
  /// Largest answer of send(). An object has at most about 3 MiB, which is the API server's own limit; a page of a list
  /// has 500 objects, for which this is 32 KiB each, several times of what a pod with its managed fields takes. A whole
  /// list that is larger is read page by page, a page that is larger in smaller ones (runtime/reflector.hpp). A body
  /// takes up to twice its size while it grows; what all of them take together is bounded by receive_budget.hpp.
  std::size_t maximum_body = 16U << 20U;
  /// Largest line of stream(): one object of at most about 3 MiB, and its frame. Each watch may hold one.
  std::size_t maximum_line = 4U << 20U;
  /// Connections of send() are given up after this age, so that load balances over API servers.
  Duration maximum_connection_age = std::chrono::minutes(5);
  /// Requests of send() at once; further ones wait, within their deadline. Streams are not counted: each watch is one.
  int maximum_requests = 32;
  /// libcurl only: asked about every address that a name stands for, just before it is connected to, on the caller's
  /// thread. If it refuses all of them, the request fails with kPermissionDenied. Null: any address is as good.
  bool (*may_connect)(const sockaddr& address) = nullptr;
};

}  // namespace imageclassifier::kubernetes
