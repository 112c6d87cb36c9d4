#pragma once

#include <memory>

#include "common/clock.hpp"
#include "common/result.hpp"
#include "operator/kubernetes/client_config.hpp"
#include "operator/kubernetes/tls_identity_source.hpp"
#include "operator/kubernetes/transport.hpp"
#include "operator/kubernetes/transport_options.hpp"

namespace imageclassifier::kubernetes {

/// Which name the server's certificate has to hold.
enum class CertificateName {
  kServer,  ///< the server's, or `tls.server_name`
  kAny      ///< only where `tls.ca_pem` is the very certificate that the server shows
};

/// A Transport on libcurl's HTTP/1.1 client; use make_transport(). Also to IPv6 literals and through https:// and
/// socks5:// proxies, with or without a user. No redirects, only the identity's CA trusted (by https:// proxies too,
/// as in Go), no variable of the environment read.
///
/// Threads: none of its own but libcurl's short-lived name resolvers. Each call drives a connection that is its own for
/// as long as it lasts, on the caller's thread, and calls the sink there: a slow sink holds the server back.
/// Connections of send() wait in a pool until they are too old or the TLS identity has changed; each stream makes its
/// own.
///
/// libcurl would repeat a request, silently, whose reused connection broke before the first byte of an answer. Only a
/// GET is: for all else that is kUnavailable.
///
/// `clock` must run with the system's steady clock: waiting is in real time. Errors: kInvalidArgument (not a server
/// URL), kUnsupported (this build of libcurl lacks something).
///
/// Of a connection that fails the error's `cause` says why in words that name no host and are always the same:
/// kNotFound (a name does not resolve), kDataLoss (the answer is cut short), kDeadlineExceeded (the certificate is
/// outside its time), kUnauthenticated (another fault of it), kUnavailable (all else).
Result<std::unique_ptr<Transport>> make_curl_transport(const ClientConfig& config, const TransportOptions& options,
                                                       std::shared_ptr<TlsIdentitySource> identity, Clock& clock,
                                                       CertificateName name = CertificateName::kServer);

}  // namespace imageclassifier::kubernetes
