#include "operator/kubernetes/transport_factory.hpp"

#include <utility>

#include "operator/kubernetes/cpprest_transport.hpp"
#include "operator/kubernetes/curl_transport.hpp"
#include "operator/kubernetes/transport_ends.hpp"

namespace imageclassifier::kubernetes {

const char* to_string(TransportKind kind) noexcept {
  return kind == TransportKind::kCurl ? "curl" : "cpprest";
}

std::optional<TransportKind> parse_transport_kind(std::string_view name) {
  for (const TransportKind kind : {TransportKind::kCpprest, TransportKind::kCurl}) {
    if (name == to_string(kind)) return kind;
  }
  return std::nullopt;
}

TransportKind transport_for(const ClientConfig& config, TransportKind wanted) {
  const bool tls = config.server.rfind("https://", 0) == 0;
  const bool ipv6 = config.server.find("://[") != std::string::npos;
  return tls && !ipv6 && config.proxy.url.empty() ? wanted : TransportKind::kCurl;
}

Result<std::unique_ptr<Transport>> make_transport(const ClientConfig& config, const TransportOptions& options,
                                                  std::shared_ptr<TlsIdentitySource> identity, Clock& clock) {
  if (config.server.find('@') != std::string::npos) return no_server_url(config.server);
  return options.kind == TransportKind::kCurl ? make_curl_transport(config, options, std::move(identity), clock)
                                              : make_cpprest_transport(config, options, std::move(identity), clock);
}

Result<std::unique_ptr<Transport>> make_transport(const ClientConfig& config, const TransportOptions& options,
                                                  Clock& clock) {
  auto identity = TlsIdentitySource::make(config.tls, clock);
  if (!identity) return fail(identity.error());
  return make_transport(config, options, std::move(*identity), clock);
}

}  // namespace imageclassifier::kubernetes
