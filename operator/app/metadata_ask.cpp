#include "operator/app/metadata_ask.hpp"

#include "operator/kubernetes/curl_transport.hpp"

namespace imageclassifier::app {
namespace {

constexpr std::size_t kMaximumBody = 64U << 10U;
constexpr Duration kPatience = std::chrono::seconds(5);

}  // namespace

registry::AskMetadata ask_metadata(const std::string& url, Clock& clock, std::stop_token stop) {
  return [url, &clock, stop = std::move(stop)](const kubernetes::Request& request) -> Result<kubernetes::Response> {
    kubernetes::ClientConfig config;
    config.server = url;
    kubernetes::TransportOptions options;
    options.kind = kubernetes::TransportKind::kCurl;
    options.maximum_body = kMaximumBody;
    auto identity = kubernetes::TlsIdentitySource::make(config.tls, clock);
    if (!identity) return fail(identity.error());
    auto transport = kubernetes::make_curl_transport(config, options, std::move(*identity), clock);
    if (!transport) return fail(transport.error());
    return (*transport)->send(request, clock.steady_now() + kPatience, stop);
  };
}

}  // namespace imageclassifier::app
