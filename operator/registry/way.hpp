#pragma once

#include <string>
#include <string_view>

#include "common/result.hpp"

namespace imageclassifier::registry {

/// Where a request ended that got no answer. Pure.
struct WayFailure {
  enum class Kind {
    kUntrusted,       ///< the server's certificate was refused
    kOutOfTime,       ///< the certificate has ended or not begun, or our clock is wrong
    kAddressRefused,  ///< its name stands for an address that is not connected to: loopback, link-local
    kTooLarge,        ///< the answer is
    kUnreachable
  };
  Kind kind = Kind::kUnreachable;
  std::string words;  ///< "its name does not resolve": about the server, or its certificate; stable, without names
};

WayFailure way_failure(const Error& error);

/// The host, if it is one that may be shown: a server chose it. Else "a name that is no host's".
std::string shown_host(std::string_view host);

}  // namespace imageclassifier::registry
