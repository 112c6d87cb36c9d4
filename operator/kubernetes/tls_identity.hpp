#pragma once

#include <memory>

#include "common/result.hpp"
#include "operator/kubernetes/client_config.hpp"

struct ssl_ctx_st;  // SSL_CTX of OpenSSL

namespace imageclassifier::kubernetes {

/// Whom we trust and our own certificate, parsed once and put into any number of OpenSSL contexts. Immutable, cheap to
/// copy, thread safe.
class TlsIdentity {
 public:
  /// kInvalidArgument if the CA, the client certificate or its key is not PEM, or the two do not belong together.
  static Result<TlsIdentity> parse(const TlsConfig& config);

  /// Makes `context` trust exactly the configured CA (whatever it trusted before), require TLS 1.2 and present the
  /// client certificate. False if OpenSSL refuses.
  bool apply(ssl_ctx_st* context) const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

}  // namespace imageclassifier::kubernetes
