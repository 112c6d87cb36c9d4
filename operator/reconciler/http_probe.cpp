#include <algorithm>
#include <nlohmann/json.hpp>

#include "operator/api/json_access.hpp"
#include "operator/diagnosis/reasons.hpp"
#include "operator/kubernetes/curl_transport.hpp"
#include "operator/reconciler/prober.hpp"

namespace imageclassifier::reconciler {
namespace {

constexpr Duration kTimeout = std::chrono::seconds(5);
constexpr std::size_t kMaxBody = 64 * 1024;
constexpr std::size_t kMaxText = 64;

std::string failure_text(const Error& error) {
  switch (error.code) {
    case ErrorCode::kDeadlineExceeded:
      return "no answer within 5 seconds";
    case ErrorCode::kUnavailable:
      return "the connection failed";
    case ErrorCode::kUnauthenticated:
      return "the server does not show the certificate of spec.service.tls, or it is not valid now";
    case ErrorCode::kTooLarge:
      return "the answer is too long to come from the server";
    case ErrorCode::kPermissionDenied:
      return "its name stands for a loopback, link-local, multicast or metadata address";
    case ErrorCode::kUnsupported:
      return "the operator cannot ask it: " + error.message;
    default:
      return "the request failed";
  }
}

/// Whether the host is an IP address.
bool has_address(std::string_view url) {
  const std::string_view host = url.substr(std::min(url.size(), url.find("//") + 2));
  return host.starts_with('[') || host.find_first_not_of("0123456789.:") == std::string_view::npos;
}

/// Sets `unreachable` if no connection came about or was allowed, or no answer. Of a name only silence counts: those of
/// new load balancers cannot be resolved for minutes.
ProbeResult ask(const std::string& url, const std::string& certificates, bool& unreachable, Clock& clock,
                bool (*may_connect)(const sockaddr&), std::stop_token stop) {
  kubernetes::ClientConfig config;
  config.server = url;
  config.tls.ca_pem = certificates;
  kubernetes::TransportOptions options;
  // Whoever may make a resource decides who answers here, and how much; over plain HTTP cpprestsdk has no bound.
  options.kind = kubernetes::TransportKind::kCurl;
  options.maximum_body = kMaxBody;
  options.may_connect = may_connect;
  auto identity = kubernetes::TlsIdentitySource::make(config.tls, clock);
  if (!identity) return {false, "the certificate of spec.service.tls is not PEM", std::nullopt};
  auto transport =
      kubernetes::make_curl_transport(config, options, std::move(*identity), clock, kubernetes::CertificateName::kAny);
  if (!transport) return {false, failure_text(transport.error()), std::nullopt};
  kubernetes::Request request;
  request.target = "/readyz";
  request.headers.push_back({"User-Agent", "imageclassifier-operator"});
  const auto response = (*transport)->send(request, clock.steady_now() + kTimeout, stop);
  if (!response) {
    const ErrorCode code = response.error().code;
    const bool forbidden = code == ErrorCode::kPermissionDenied;
    unreachable =
        forbidden || code == ErrorCode::kDeadlineExceeded || (code == ErrorCode::kUnavailable && has_address(url));
    return {false, failure_text(response.error()), std::nullopt, code == ErrorCode::kUnauthenticated, false, forbidden};
  }
  if (response->status != 200) return {false, "HTTP status " + std::to_string(response->status), std::nullopt};
  return {true, {}, model_in_readiness(response->body)};
}

}  // namespace

std::optional<api::ModelStatus> model_in_readiness(const std::string& body) {
  const nlohmann::json answer = api::parse_or_null(body);
  const nlohmann::json& model = api::member(answer, "model");
  if (!model.is_object()) return std::nullopt;
  const auto text = [&](const char* key, std::size_t limit) {
    return diagnosis::clean_text(api::text_of(model, key), limit);
  };
  return api::ModelStatus{text("architecture", kMaxText), text("weights_sha256", 64), text("precision", kMaxText)};
}

ProbeResult probe_over_http(const ProbeTarget& target, Clock& clock, std::stop_token stop,
                            bool (*may_connect)(const sockaddr&)) {
  bool unreachable = false;
  ProbeResult result = ask(target.url, target.certificates, unreachable, clock, may_connect, stop);
  if (!unreachable || target.inside_url.empty()) return result;
  ProbeResult inside = ask(target.inside_url, target.certificates, unreachable, clock, may_connect, stop);
  result.inside = inside.ok;
  result.model = std::move(inside.model);
  return result;
}

}  // namespace imageclassifier::reconciler
