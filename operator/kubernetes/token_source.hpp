#pragma once

#include <memory>

#include "common/clock.hpp"
#include "common/result.hpp"
#include "common/secret.hpp"
#include "operator/kubernetes/client_config.hpp"

namespace imageclassifier::kubernetes {

/// Gives the bearer token of the moment. Thread safe.
class TokenSource {
 public:
  virtual ~TokenSource() = default;
  /// The token to send now; an empty Secret means: send none.
  virtual Result<Secret> token() = 0;
  /// The server answered 401 to `used`: do not give it again if a newer one can be had.
  virtual void reject(const Secret& used) = 0;
};

/// A token file (re-read every 60 s; the old token is kept while the file is missing or empty; reject() re-reads at
/// once), an inline token, or none, as `config` says. `clock` must outlive the source.
std::unique_ptr<TokenSource> make_token_source(const ClientConfig& config, Clock& clock);

}  // namespace imageclassifier::kubernetes
