#include "operator/registry/request_metrics.hpp"

#include <algorithm>
#include <set>
#include <string_view>

#include "common/guarded.hpp"

namespace imageclassifier::registry {
namespace {

using kubernetes::Request;
using kubernetes::Response;

constexpr std::size_t kMostSeries = 100;
constexpr const char* kMetadataService = "imds";

/// Kinds of requests; those of minting are its steps as well.
std::string route_of(std::string_view target) {
  const std::string_view path = target.substr(0, target.find('?'));
  if (path == "/v2/") return "challenge";
  if (path.ends_with("/oauth2/v2.0/token")) return "entra";
  if (path.ends_with("/oauth2/exchange")) return "exchange";
  if (path.ends_with("/token")) return "token";
  if (path.find("/manifests/") != std::string_view::npos) return "manifest";
  if (path.find("/blobs/") != std::string_view::npos) return "blob";
  return "other";
}

std::string class_of(const std::string& code) {
  return code.front() == '<' ? code : code.substr(0, 1) + "xx";
}

}  // namespace

Histogram& mint_step_seconds(MetricsRegistry& metrics, const std::string& step) {
  return metrics.histogram("imageclassifier_registry_token_rotation_duration_seconds",
                           "How long a step of minting a credential took.", {0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10},
                           {{"step", step}});
}

struct RequestMetrics::Impl {
  Impl(const Settings& settings, MetricsRegistry& metrics_in, const Clock& clock_in)
      : servers(settings.servers),
        metrics(metrics_in),
        clock(clock_in),
        throttled(metrics_in.counter("imageclassifier_registry_throttled_total",
                                     "Answers of registries and token servers that they are asked too often.")) {
    for (const auto& [name, cloud] : settings.clouds) authorities.insert(cloud.authority);
    for (const char* step : {"assertion", "metadata", "entra", "challenge", "exchange", "token"})
      mint_step_seconds(metrics, step);
  }

  template <typename Send>
  Result<Response> send(const std::string& host, const std::string& route, bool timed, const Send& ask) {
    const SteadyTime begin = clock.steady_now();
    Result<Response> answer = ask();
    if (timed)
      mint_step_seconds(metrics, route).observe(std::chrono::duration<double>(clock.steady_now() - begin).count());
    note(host, route, answer);
    return answer;
  }

  void note(const std::string& host, const std::string& route, const Result<Response>& answer) {
    if (answer && answer->status == 429) throttled.increment();
    std::string server = host == kMetadataService || authorities.contains(host) || is_allowed(host, servers)
                             ? host
                             : std::string("other");
    std::string code = answer ? std::to_string(std::clamp(answer->status, 100, 599)) : std::string("<error>");
    const bool own = server != "other" && series.with([&](auto& known) {
      const std::string name = server + ' ' + route + ' ' + code;
      return known.contains(name) || (known.size() < kMostSeries && known.insert(name).second);
    });
    if (!own) {
      server = "other";
      code = class_of(code);
    }
    metrics
        .counter("imageclassifier_registry_requests_total", "Requests to registries and token servers.",
                 {{"server", server}, {"route", route}, {"code", code}})
        .increment();
  }

  const std::vector<std::string> servers;
  std::set<std::string, std::less<>> authorities;
  MetricsRegistry& metrics;
  const Clock& clock;
  Counter& throttled;
  Guarded<std::set<std::string>> series;
};

RequestMetrics::RequestMetrics(const Settings& settings, MetricsRegistry& metrics, const Clock& clock)
    : impl_(std::make_unique<Impl>(settings, metrics, clock)) {}
RequestMetrics::~RequestMetrics() = default;

Ask RequestMetrics::count(Ask ask) {
  return [&impl = *impl_, ask = std::move(ask)](const std::string& host, const Request& request) {
    return impl.send(host, route_of(request.target), false, [&] { return ask(host, request); });
  };
}

Ask RequestMetrics::count_and_time(Ask ask) {
  return [&impl = *impl_, ask = std::move(ask)](const std::string& host, const Request& request) {
    return impl.send(host, route_of(request.target), true, [&] { return ask(host, request); });
  };
}

AskMetadata RequestMetrics::count_and_time(AskMetadata ask) {
  return [&impl = *impl_, ask = std::move(ask)](const Request& request) {
    return impl.send(kMetadataService, "metadata", true, [&] { return ask(request); });
  };
}

}  // namespace imageclassifier::registry
