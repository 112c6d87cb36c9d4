#include "operator/app/application.hpp"

#include "common/build_info.hpp"
#include "common/log.hpp"
#include "common/metrics.hpp"
#include "operator/app/health.hpp"
#include "operator/app/watches.hpp"
#include "operator/kubernetes/api_client.hpp"
#include "operator/kubernetes/fault_transport.hpp"
#include "operator/kubernetes/token_source.hpp"
#include "operator/kubernetes/transport_factory.hpp"
#include "operator/reconciler/reconciler.hpp"

namespace imageclassifier::app {
namespace {

using runtime::ObjectKey;
using runtime::WorkQueue;

std::string host_of(const std::string& server) {
  const std::size_t scheme = server.find("://");
  const std::string rest = scheme == std::string::npos ? server : server.substr(scheme + 3);
  return rest.substr(0, rest.find('/'));
}

/// In front of the transport when faults were asked for; null otherwise.
std::unique_ptr<kubernetes::FaultTransport> inject_faults(const std::string& text, kubernetes::Transport& inner,
                                                          Clock& clock) {
  if (text.empty()) return nullptr;
  const auto plan = kubernetes::parse_fault_plan(text);
  if (!plan) return nullptr;  // parse_command_line has refused it
  log::warning("Injecting faults into requests to the API server, as --inject-faults says: never do this in production",
               {{"seed", plan->seed}, {"faults", text}});
  return std::make_unique<kubernetes::FaultTransport>(inner, *plan, clock, kubernetes::FaultTransport::Options{});
}

int give_up(const char* what, const Error& error) {
  log::error(what, {{"error", error.describe()}});
  return 1;
}

}  // namespace

int run_operator(const RunOptions& options, const SignalStop& signals) {
  log::info("Starting", {{"version", build_version()}, {"workers", options.workers}});
  SystemClock clock;
  MetricsRegistry metrics;
  metrics.export_process_metrics();

  const auto config = kubernetes::load_client_config(options.client);
  if (!config) return give_up("Found no way to reach the cluster", config.error());
  const auto identity = kubernetes::TlsIdentitySource::make(config->tls, clock, {.metrics = &metrics});
  if (!identity) return give_up("Could not set up the connection to the cluster", identity.error());
  auto transport = kubernetes::make_transport(*config, {.kind = options.transport}, *identity, clock);
  if (!transport) return give_up("Could not set up the connection to the cluster", transport.error());
  kubernetes::TokenOptions token_options;
  token_options.certificates = [source = *identity](const std::string& certificate, const Secret& key) {
    return source->set_client_certificate(certificate, key);
  };
  const auto tokens = kubernetes::make_token_source(*config, clock, std::move(token_options));
  kubernetes::ApiClient::Options client_options;
  client_options.host_label = host_of(config->server);
  const auto faulty = inject_faults(options.faults, **transport, clock);
  kubernetes::ApiClient client(faulty ? *faulty : **transport, *tokens, clock, metrics, client_options);

  WorkQueue::Options queue_options;
  queue_options.name = "imageclassifier";
  queue_options.spacing = std::chrono::milliseconds(25);
  WorkQueue queue(queue_options, clock, metrics);
  Watches watches(client, options, queue, clock, metrics);
  runtime::WriteBarrier barrier(
      {}, [&watches](std::string_view kind) { return watches.last_seen(kind); }, clock);
  reconciler::EndpointProber prober(
      {},
      [&clock](const std::string& url, std::stop_token stop) { return reconciler::probe_over_http(url, clock, stop); },
      [&queue](const ObjectKey& key) { queue.add(key); }, clock);
  reconciler::Reconciler reconciler(watches.stores(), client, prober, barrier, clock, metrics);
  runtime::Controller::Options controller_options;
  controller_options.name = "imageclassifier";
  controller_options.kind = api::kKind;
  controller_options.all_keys = [&watches] { return watches.classifiers(); };
  controller_options.workers = options.workers;
  controller_options.wait_for.push_back([&watches] { return watches.synced(); });
  runtime::Controller controller(
      controller_options, queue,
      [&reconciler](const ObjectKey& key, std::stop_token stop) { return reconciler.reconcile(key, stop); }, clock,
      metrics);

  HealthChecks checks;
  checks.live.push_back({"workers", [&controller] { return controller.check_workers(); }});
  checks.ready.push_back({"caches", [&watches]() -> Result<void> {
                            if (watches.synced()) return {};
                            return fail(ErrorCode::kUnavailable, "the caches are not filled yet");
                          }});
  auto health = serve_health(options, std::move(checks), metrics);
  if (!health) return give_up("Could not open the port for health and metrics", health.error());
  log::info("Serving health and metrics", {{"address", options.listen_address}, {"port", (*health)->port()}});
  watches.start();
  prober.start();
  const Result<void> ended = controller.run(signals.token());
  log::info("Stopping");
  prober.stop();
  watches.stop();
  health->reset();
  if (!ended) return give_up("Stopped because the caches did not fill", ended.error());
  log::info("Stopped");
  return 0;
}

}  // namespace imageclassifier::app
