#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/clock.hpp"
#include "common/result.hpp"
#include "common/secret.hpp"
#include "operator/kubernetes/client_config.hpp"
#include "operator/kubernetes/transport.hpp"

namespace imageclassifier::kubernetes {

/// Gives the credential of the moment. Thread safe.
class TokenSource {
 public:
  virtual ~TokenSource() = default;
  /// What stands behind scheme() in the header Authorization; an empty Secret means: send none.
  virtual Result<Secret> token() = 0;
  /// The server answered 401 to `used` in a request sent at `sent`. True if another try may go better: a newer
  /// credential is there, or could be had.
  virtual bool reject(const Secret& used, SteadyTime sent) = 0;
  virtual const char* scheme() const { return "Bearer"; }
  /// More headers for each request: Impersonate-*.
  virtual std::vector<Header> headers() const { return {}; }
};

/// Takes a client certificate (PEM) with its key for the connections to come.
using CertificateSink = std::function<Result<void>(const std::string& certificate_pem, const Secret& key_pem)>;

struct TokenOptions {
  /// client-go: every 60 s with 10 s of leeway.
  Duration read_file_every = std::chrono::seconds(50);
  /// Where a credential plugin's certificate goes; without it such an answer is an error.
  CertificateSink certificates = {};
  /// Ends a credential plugin that runs.
  std::stop_token stop = {};
};

/// As `config` says, the first of: a token file (re-read; the old token is kept while the file is missing or empty;
/// reject() re-reads at once), an inline token, user and password, a credential plugin, none. `clock` must outlive the
/// source.
std::unique_ptr<TokenSource> make_token_source(const ClientConfig& config, Clock& clock, TokenOptions options = {});

}  // namespace imageclassifier::kubernetes
