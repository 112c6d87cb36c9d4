#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "common/clock.hpp"
#include "common/result.hpp"
#include "operator/kubernetes/client_config.hpp"
#include "operator/kubernetes/tls_identity_source.hpp"
#include "operator/kubernetes/transport.hpp"
#include "operator/kubernetes/transport_options.hpp"

namespace imageclassifier::kubernetes {

const char* to_string(TransportKind kind) noexcept;
/// "cpprest" or "curl"; nothing for any other text.
std::optional<TransportKind> parse_transport_kind(std::string_view name);

/// `wanted`, or libcurl where cpprestsdk cannot reach the server (IPv6 literals) or has no bound for what it is sent
/// (without TLS, from a proxy). Pure.
TransportKind transport_for(const ClientConfig& config, TransportKind wanted);

/// Makes a Transport of `options.kind` to `config.server`, by way of `config.proxy`. It trusts and presents what
/// `identity` says at the time of each new connection. `clock` must outlive the transport. Errors: kInvalidArgument
/// (not a server URL), kUnsupported (the kind cannot do what the configuration asks; the message names the way out).
Result<std::unique_ptr<Transport>> make_transport(const ClientConfig& config, const TransportOptions& options,
                                                  std::shared_ptr<TlsIdentitySource> identity, Clock& clock);

/// The same with an identity of its own from `config.tls`; also kInvalidArgument when that is malformed.
Result<std::unique_ptr<Transport>> make_transport(const ClientConfig& config, const TransportOptions& options,
                                                  Clock& clock);

}  // namespace imageclassifier::kubernetes
