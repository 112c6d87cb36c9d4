#include "operator/kubernetes/api_client.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "common/guarded.hpp"
#include "common/json_scan.hpp"
#include "common/log.hpp"
#include "common/redaction.hpp"
#include "operator/kubernetes/retry_policy.hpp"
#include "operator/kubernetes/status.hpp"

namespace imageclassifier::kubernetes {
namespace {

// A server could send ever new texts; what is longer is cut, and beyond so many they are not remembered and not logged.
constexpr std::size_t kMaximumTexts = 200;
constexpr std::size_t kMaximumWarning = 1024;
constexpr std::size_t kMaximumUid = 64;
constexpr std::string_view kRequestsHelp = "Number of HTTP requests, partitioned by status code, method, and host.";

// "299 - \"text\"" (RFC 7234 5.5, as the API server uses it); the text, or the whole value if it looks otherwise.
std::string_view warning_text(std::string_view value) {
  const std::size_t first = value.find('"');
  const std::size_t last = value.rfind('"');
  return first == std::string_view::npos || last <= first + 1 ? value : value.substr(first + 1, last - first - 1);
}

std::string describe(std::string_view verb, const GroupVersionResource& resource, const ObjectName& object) {
  std::string text(verb);
  text += " " + to_string(resource) + " ";
  if (!object.namespace_name.empty()) text += object.namespace_name + "/";
  return text + object.name;
}

Result<ObjectReply> to_object(Result<Response> answer, const std::string& what) {
  if (!answer) return fail(Error(answer.error().code, what + " failed", std::move(answer.error())));
  if (answer->status < 200 || answer->status >= 300)
    return fail(to_error(status_of(answer->status, answer->headers, answer->body), what));
  ObjectReply reply;
  const auto metadata = find_member(answer->body, "metadata").value_or(std::string_view());
  reply.resource_version = find_string(metadata, {"resourceVersion"});
  reply.uid = find_string(metadata, {"uid"});
  reply.created = answer->status == 201;
  reply.body = std::move(answer->body);
  return reply;
}

}  // namespace

struct ApiClient::Impl {
  Impl(Transport& transport_in, TokenSource& tokens_in, Clock& clock_in, MetricsRegistry& metrics_in,
       Options options_in)
      : transport(transport_in),
        tokens(tokens_in),
        clock(clock_in),
        metrics(metrics_in),
        options(std::move(options_in)) {}

  // The token that was put in, so that it can be rejected.
  Result<Secret> authorize(Request& request) {
    Result<Secret> token = tokens.token();
    if (!token) return token;
    std::erase_if(request.headers, [](const Header& header) { return header.name == "Authorization"; });
    log::conceal(token->reveal());  // also from what a watch quotes, or a library
    if (!token->empty()) request.headers.push_back({"Authorization", tokens.scheme() + (" " + token->reveal())});
    return token;
  }

  void count(Method method, const std::string& code) {
    metrics
        .counter("rest_client_requests_total", kRequestsHelp,
                 {{"code", code}, {"method", to_string(method)}, {"host", options.host_label}})
        .increment();
  }

  void observe_latency(Method method, SteadyTime started) {
    const std::chrono::duration<double> taken = clock.steady_now() - started;
    metrics
        .histogram("rest_client_request_duration_seconds", "Request latency in seconds, by verb and host.",
                   {0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60},
                   {{"verb", to_string(method)}, {"host", options.host_label}})
        .observe(taken.count());
  }

  static bool is_first(Guarded<std::set<std::string>>& seen, const std::string& text) {
    return seen.with([&](auto& texts) { return texts.size() < kMaximumTexts && texts.insert(text).second; });
  }

  // Which flow schema of API Priority and Fairness turned us away: who runs the cluster can widen it. Once for each.
  void log_rejection(const Request& request, int status, const std::vector<Header>& headers) {
    const auto flow_schema = find_header(headers, "X-Kubernetes-PF-FlowSchema-UID");
    if (status != 429 || !flow_schema) return;
    const std::string uid(flow_schema->substr(0, kMaximumUid));
    if (!is_first(flow_schemas, uid)) return;
    const std::string_view level = find_header(headers, "X-Kubernetes-PF-PriorityLevel-UID").value_or("");
    log::info("API server rejected a request for now; later rejections by this flow schema are not logged",
              {{"method", to_string(request.method)},
               {"flowSchemaUID", uid},
               {"priorityLevelUID", level.substr(0, kMaximumUid)}});
  }

  void log_warnings(const std::vector<Header>& headers, const Secret& token) {
    for (const Header& header : headers) {
      if (!find_header({header}, "Warning")) continue;
      std::string text(warning_text(header.value));
      redact(text, token.reveal());
      log::redact_concealed(text);
      text.resize(std::min(text.size(), kMaximumWarning));
      if (is_first(warnings, text)) log::warning("API server sent a warning", {{"warning", text}});
    }
  }

  Result<Response> send_once(const Request& request, const Secret& token, SteadyTime deadline, std::stop_token stop) {
    const SteadyTime started = clock.steady_now();
    Result<Response> answer = transport.send(request, deadline, stop);
    count(request.method, answer ? std::to_string(answer->status) : "<error>");
    observe_latency(request.method, started);
    if (answer && answer->status >= 300) {
      log_rejection(request, answer->status, answer->headers);
      // What a server or a proxy in front of it prints may quote our own request.
      redact(answer->body, token.reveal());
    }
    if (answer) log_warnings(answer->headers, token);
    return answer;
  }

  Result<Response> send_fenced(const Request& request, const Secret& token, SteadyTime deadline, std::stop_token stop) {
    if (is_read(request.method) || options.fence == nullptr) return send_once(request, token, deadline, stop);
    const std::optional<SteadyTime> until = options.fence->enter();
    if (!until) return fail(ErrorCode::kUnavailable, "this process does not lead: it may not write");
    struct Leave {
      WriteFence& fence;
      ~Leave() { fence.leave(); }
    } leave{*options.fence};
    return send_once(request, token, std::min(*until, deadline), stop);
  }

  Result<Response> execute(Request request, std::stop_token stop) {
    for (Header& header : tokens.headers()) request.headers.push_back(std::move(header));
    SteadyTime deadline;
    bool reauthorized = false;
    std::optional<Response> refusal;
    for (int tries = 1;; ++tries) {
      const Result<Secret> used = authorize(request);
      if (!used) return fail(used.error());
      const SteadyTime sent = clock.steady_now();
      // The first credential may have come from a plugin that took its time.
      if (tries == 1) deadline = sent + options.request_timeout;
      Result<Response> answer = send_fenced(request, *used, deadline, stop);
      if (answer && answer->status == 401 && !std::exchange(reauthorized, true) && tokens.reject(*used, sent)) continue;
      // Why the server did not do it says more than that the time was over (and a reflector goes by it).
      if (!answer && answer.error().code == ErrorCode::kDeadlineExceeded && refusal) return std::move(*refusal);
      const auto delay = retry_delay(request.method, tries, options.max_tries, answer);
      if (!delay || clock.steady_now() + *delay >= deadline) return answer;
      if (answer && is_read(request.method)) refusal = std::move(*answer);
      if (!clock.sleep_for(*delay, stop)) return fail(ErrorCode::kCancelled, "stopped while waiting to retry");
    }
  }

  Transport& transport;
  TokenSource& tokens;
  Clock& clock;
  MetricsRegistry& metrics;
  Options options;
  Guarded<std::set<std::string>> warnings;
  Guarded<std::set<std::string>> flow_schemas;
};

ApiClient::ApiClient(Transport& transport, TokenSource& tokens, Clock& clock, MetricsRegistry& metrics, Options options)
    : impl_(std::make_unique<Impl>(transport, tokens, clock, metrics, std::move(options))) {}
ApiClient::~ApiClient() = default;

Result<Response> ApiClient::execute(Request request, std::stop_token stop) {
  request.headers.push_back({"User-Agent", impl_->options.user_agent});
  return impl_->execute(std::move(request), stop);
}

Result<StreamEnd> ApiClient::watch(Request request, LineSink& sink, Duration idle_timeout, std::stop_token stop) {
  request.headers.push_back({"User-Agent", impl_->options.user_agent});
  for (Header& header : impl_->tokens.headers()) request.headers.push_back(std::move(header));
  const Result<Secret> used = impl_->authorize(request);
  if (!used) return fail(used.error());
  const SteadyTime sent = impl_->clock.steady_now();
  Result<StreamEnd> end = impl_->transport.stream(request, sink, idle_timeout, stop);
  impl_->count(request.method, end ? std::to_string(end->status) : "<error>");
  if (end) impl_->log_warnings(end->headers, *used);
  if (end) impl_->log_rejection(request, end->status, end->headers);
  if (end) redact(end->body, used->reveal());
  if (end && end->status == 401) impl_->tokens.reject(*used, sent);
  return end;
}

Result<ObjectReply> ApiClient::get(const GroupVersionResource& resource, const ObjectName& object,
                                   std::stop_token stop) {
  return to_object(execute(get_request(resource, object), stop), describe("Reading", resource, object));
}

Result<ListPage> ApiClient::list(const GroupVersionResource& resource, std::string_view namespace_name,
                                 const ListOptions& options, const std::function<void(std::string_view item)>& visit,
                                 std::stop_token stop) {
  const auto answer = execute(list_request(resource, namespace_name, options), std::move(stop));
  if (!answer) return fail(answer.error());
  if (answer->status >= 300) {
    return fail(to_error(status_of(answer->status, answer->headers, answer->body), "Listing " + to_string(resource)));
  }
  return decode_list(answer->body, visit);
}

Result<ObjectReply> ApiClient::create(const GroupVersionResource& resource, std::string_view namespace_name,
                                      std::string body, std::string_view field_manager, std::stop_token stop) {
  const ObjectName object{std::string(namespace_name), find_string(body, {"metadata", "name"})};
  return to_object(execute(create_request(resource, namespace_name, std::move(body), field_manager), stop),
                   describe("Creating", resource, object));
}

Result<ObjectReply> ApiClient::update(const GroupVersionResource& resource, const ObjectName& object, std::string body,
                                      std::string_view field_manager, std::stop_token stop) {
  return to_object(execute(update_request(resource, object, std::move(body), field_manager), stop),
                   describe("Updating", resource, object));
}

Result<ObjectReply> ApiClient::apply(const GroupVersionResource& resource, const ObjectName& object, std::string body,
                                     const ApplyOptions& options, std::stop_token stop) {
  return to_object(execute(apply_request(resource, object, std::move(body), options), stop),
                   describe("Applying", resource, object));
}

Result<ObjectReply> ApiClient::apply_status(const GroupVersionResource& resource, const ObjectName& object,
                                            std::string body, const ApplyOptions& options, std::stop_token stop) {
  return to_object(execute(apply_request(resource, object, std::move(body), options, "status"), stop),
                   describe("Applying the status of", resource, object));
}

Result<ObjectReply> ApiClient::patch(const GroupVersionResource& resource, const ObjectName& object, PatchType type,
                                     std::string body, std::string_view field_manager, std::stop_token stop) {
  return to_object(execute(patch_request(resource, object, type, std::move(body), field_manager), stop),
                   describe("Patching", resource, object));
}

Result<void> ApiClient::remove(const GroupVersionResource& resource, const ObjectName& object,
                               const DeleteOptions& options, std::stop_token stop) {
  const auto reply =
      to_object(execute(delete_request(resource, object, options), stop), describe("Deleting", resource, object));
  if (!reply) return fail(reply.error());
  return {};
}

}  // namespace imageclassifier::kubernetes
