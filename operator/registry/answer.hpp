#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.hpp"
#include "common/result.hpp"
#include "operator/kubernetes/transport.hpp"
#include "operator/registry/challenge.hpp"

namespace imageclassifier::registry {

// What is read of the answers of registries and token servers, whoever asks. Pure.

struct Place {
  std::string host;    ///< with a port, if the URL names one
  std::string target;  ///< path and query
};

/// Nothing but plain https URLs: whoever writes one may not send us anywhere else.
std::optional<Place> place_of(std::string_view url);

/// Where a Bearer challenge says that tokens are given out; kInvalidArgument, in stable words, if it does not.
Result<Place> realm_of(const Challenge& challenge);

/// What Retry-After asks for, if it is in seconds; at most an hour.
std::chrono::seconds retry_after_of(const kubernetes::Response& response);

/// Of all WWW-Authenticate headers that follow the grammar.
std::vector<Challenge> challenges_of(const kubernetes::Response& response);

/// The Date header (RFC 9110, 6.6.1): what the server's clock said.
std::optional<WallTime> date_of(const kubernetes::Response& response);

}  // namespace imageclassifier::registry
