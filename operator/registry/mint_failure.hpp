#pragma once

#include <chrono>
#include <string>

#include "common/result.hpp"

namespace imageclassifier::registry {

/// Why no credential for a registry could be minted.
enum class MintProblem {
  kServerNotAllowed,             ///< the registry, or its token server, is none that tokens of the cloud are sent to
  kAddressRefused,               ///< a server's name stands for an address that is not connected to
  kCloudUnknown,                 ///< the settings know no cloud of that name
  kServiceAccountNotFound,       ///< whose token was to be shown does not exist
  kTokenRequestForbidden,        ///< the API server does not let us ask for the account's token
  kFederationNotFound,           ///< Entra trusts no such account of such a cluster
  kAssertionExpired,             ///< Entra finds the account's token outside its time
  kIdentityNotFound,             ///< Entra, or the machine, has no such identity
  kClientSecretInvalid,          ///< wrong
  kClientSecretExpired,          ///< of yesterday
  kAudienceUnknown,              ///< Entra does not know what the token is to be for
  kIdentityRefused,              ///< Entra refuses for another cause
  kIdentityNotAssigned,          ///< the machine does not have the identity
  kIdentityProviderUnavailable,  ///< Entra cannot be reached, or is ill
  kMetadataUnavailable,          ///< the machine's metadata service cannot be reached
  kMetadataBusy,                 ///< it gives no token for now
  kExchangeDenied,               ///< the registry gives the identity nothing
  kRegistryForbidden,            ///< it answers nobody from here: a firewall
  kRegistryUnreachable,          ///< it cannot be reached, or is ill
  kRegistryAnswerInvalid,        ///< it is no Azure Container Registry, or gives what is of no use
  kUntrusted,                    ///< a certificate was refused
  kCertificateOutOfTime,         ///< because it has ended or not begun, or our clock is wrong
  kThrottled,                    ///< it was asked too often
  kClockSkew                     ///< our clock and the server's differ so much that a token seems to be of another time
};

/// "ServerNotAllowed", "CloudUnknown"...
const char* to_string(MintProblem problem) noexcept;

/// Whether asking again is pointless until something of the question changes.
bool is_permanent(MintProblem problem) noexcept;

struct MintFailure {
  MintProblem problem = MintProblem::kRegistryUnreachable;
  std::string detail = {};             ///< more about the cause, stable, without words of an answer; may be empty
  std::chrono::seconds retry_after{};  ///< we were asked not to ask again before that
  std::string host = {};               ///< of which it is said; empty: the registry's
  bool silent = false;                 ///< kRegistryUnreachable: it gave no answer at all, whoever might have asked
  friend bool operator==(const MintFailure&, const MintFailure&) = default;
};

template <typename T>
using Minting = tl::expected<T, MintFailure>;

inline tl::unexpected<MintFailure> not_minted(MintProblem problem, std::string detail = {},
                                              std::chrono::seconds retry_after = {}) {
  return tl::unexpected(MintFailure{problem, std::move(detail), retry_after});
}

}  // namespace imageclassifier::registry
