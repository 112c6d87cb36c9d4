#pragma once

#include <string>

#include "common/clock.hpp"
#include "common/secret.hpp"
#include "operator/kubernetes/transport.hpp"
#include "operator/registry/mint_failure.hpp"
#include "operator/registry/settings.hpp"
#include "operator/registry/token.hpp"

namespace imageclassifier::registry {

// Requests for tokens of identities, and what the answers say. Pure. Sources: Microsoft identity platform, client
// credentials flow; Azure Instance Metadata Service, api-version 2018-02-01.

/// What an application shows to Entra: its secret, or the token of an account that Entra trusts.
struct Proof {
  enum class Kind { kSecret, kAssertion };
  Kind kind = Kind::kSecret;
  Secret value;
};

/// For Cloud::authority.
kubernetes::Request entra_request(const std::string& tenant, const std::string& client, const std::string& audience,
                                  const Proof& proof);
/// For Settings::imds. Its namespace does not matter; without either ID: the only identity that the machine has.
kubernetes::Request metadata_request(const ManagedIdentity& identity, const std::string& audience);

/// Of what Entra says only the number of the error is told: its words hold names and times.
Minting<Token> read_entra(const kubernetes::Response& response, WallTime now);
Minting<Token> read_metadata(const kubernetes::Response& response, const std::string& client, WallTime now);

/// Whether the server's clock and ours differ by more than is tolerated, five minutes. False if it did not say.
bool is_skewed(const kubernetes::Response& response, WallTime now);

}  // namespace imageclassifier::registry
