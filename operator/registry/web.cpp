#include "operator/registry/web.hpp"

#include <map>

#include "common/file.hpp"
#include "operator/kubernetes/curl_transport.hpp"

namespace imageclassifier::registry {
namespace {

using kubernetes::TlsIdentitySource;

/// Of a manifest, which is the largest that is asked for.
constexpr std::size_t kMaximumBody = 4U << 20U;
constexpr std::size_t kMaximumAuthorities = 8U << 20U;
constexpr const char* kAuthorities = "/etc/ssl/certs/ca-certificates.crt";

Result<std::shared_ptr<TlsIdentitySource>> trusting(std::string authorities, Clock& clock) {
  kubernetes::TlsConfig tls;
  tls.ca_pem = std::move(authorities);
  return TlsIdentitySource::make(tls, clock);
}

/// The connections of one question.
class Connections {
 public:
  Connections(std::shared_ptr<TlsIdentitySource> identity, Web::MayConnect may_connect, Clock& clock,
              std::stop_token stop)
      : identity_(std::move(identity)), may_connect_(may_connect), clock_(clock), stop_(std::move(stop)) {}

  Result<kubernetes::Response> send(const std::string& host, const kubernetes::Request& request) {
    auto& transport = transports_[host];
    if (!transport) {
      kubernetes::ClientConfig config;
      config.server = "https://" + host;
      kubernetes::TransportOptions options;
      options.kind = kubernetes::TransportKind::kCurl;
      options.maximum_body = kMaximumBody;
      options.may_connect = may_connect_;
      auto made = kubernetes::make_curl_transport(config, options, identity_, clock_);
      if (!made) return fail(made.error());
      transport = std::move(*made);
    }
    return transport->send(request, clock_.steady_now() + kRequestTime, stop_);
  }

 private:
  std::shared_ptr<TlsIdentitySource> identity_;
  Web::MayConnect may_connect_;
  Clock& clock_;
  std::stop_token stop_;
  std::map<std::string, std::unique_ptr<kubernetes::Transport>> transports_;
};

}  // namespace

Result<Web> Web::make(const std::string& authorities, MayConnect may_connect, Clock& clock) {
  auto identity = trusting(authorities, clock);
  if (!identity) return fail(identity.error());
  return Web(authorities, std::move(*identity), may_connect, clock);
}

Web::Web(std::string authorities, std::shared_ptr<TlsIdentitySource> identity, MayConnect may_connect, Clock& clock)
    : authorities_(std::move(authorities)), identity_(std::move(identity)), may_connect_(may_connect), clock_(&clock) {}

Ask Web::ask(const std::string& more, std::stop_token stop) const {
  auto identity = identity_;
  if (!more.empty()) {
    if (auto both = trusting(authorities_ + "\n" + more, *clock_)) identity = std::move(*both);
  }
  auto connections = std::make_shared<Connections>(std::move(identity), may_connect_, *clock_, std::move(stop));
  return [connections](const std::string& host, const kubernetes::Request& request) {
    return connections->send(host, request);
  };
}

Result<std::string> system_authorities() {
  return read_file(kAuthorities, kMaximumAuthorities);
}

}  // namespace imageclassifier::registry
