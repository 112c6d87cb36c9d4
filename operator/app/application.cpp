#include "operator/app/application.hpp"

#include <unistd.h>

#include <array>

#include "common/build_info.hpp"
#include "common/log.hpp"
#include "common/metrics.hpp"
#include "common/uuid.hpp"
#include "operator/app/connection.hpp"
#include "operator/app/health.hpp"
#include "operator/app/metadata_ask.hpp"
#include "operator/app/registry_config.hpp"
#include "operator/app/watches.hpp"
#include "operator/kubernetes/api_client.hpp"
#include "operator/kubernetes/transport_factory.hpp"
#include "operator/reconciler/endpoint.hpp"
#include "operator/reconciler/reconciler.hpp"
#include "operator/registry/request_metrics.hpp"
#include "operator/registry/web.hpp"
#include "operator/runtime/event_recorder.hpp"
#include "operator/runtime/leader_election.hpp"

namespace imageclassifier::app {
namespace {

using runtime::ObjectKey;
using runtime::WorkQueue;

/// The election and the connection of its own that it keeps the Lease with; empty without --leader-elect.
struct Election {
  std::unique_ptr<runtime::LeaseFence> fence;
  Connection connection;
  std::unique_ptr<runtime::LeaderElection> leader;
};

std::string host_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "unknown";
}

/// Unlike that of any other process, also of an earlier one on the same host.
std::string process_identity() {
  return host_name() + "_" + random_uuid();
}

Result<Election> make_election(const RunOptions& options, const Identity& identity, Clock& clock,
                               MetricsRegistry& metrics) {
  Election election;
  if (!options.leader.elect) return election;
  kubernetes::ApiClient::Options client_options;
  client_options.request_timeout = runtime::LeaderElection::request_time(options.leader.timing);
  auto connection = connect(options, identity, std::move(client_options), clock, metrics);
  if (!connection) return fail(connection.error());
  election.connection = std::move(*connection);
  runtime::LeaderElection::Options leader_options;
  leader_options.namespace_name =
      options.leader.namespace_name.empty() ? identity.config.default_namespace : options.leader.namespace_name;
  leader_options.name = options.leader.name;
  leader_options.identity = process_identity();
  leader_options.timing = options.leader.timing;
  // Half of the time in which nobody may write.
  const runtime::LeaseTiming& timing = options.leader.timing;
  election.fence = std::make_unique<runtime::LeaseFence>(
      runtime::LeaseFence::Options{(timing.lease_duration - timing.renew_deadline) / 2, true}, clock);
  election.leader = std::make_unique<runtime::LeaderElection>(leader_options, *election.connection.client,
                                                              *election.fence, clock, metrics);
  return election;
}

/// Trusts the system's authorities and those of the settings.
Result<registry::Web> make_web(const registry::Settings& settings, Clock& clock) {
  auto authorities = registry::system_authorities();
  if (!authorities) {
    log::warning("Found no certificate authorities of the system: registries are trusted by those of --registry-config",
                 {{"error", authorities.error().describe()}});
    authorities = std::string();
  }
  return registry::Web::make(*authorities + "\n" + settings.ca_pem, &reconciler::may_connect, clock);
}

/// Until `stop`. Only who has seen everything stands for election, so that a leader begins at once. The last events are
/// written while writing is still allowed, before the Lease is given back.
Result<void> work(runtime::Controller& controller, reconciler::Reconciler& reconciler, runtime::EventRecorder& recorder,
                  runtime::LeaderElection* leader, std::stop_token stop) {
  if (Result<void> filled = controller.wait_for_caches(stop); !filled) {
    return stop.stop_requested() ? Result<void>{} : filled;
  }
  if (leader == nullptr) return controller.run(stop);
  return leader->run(stop, [&](std::stop_token lost) {
    Result<void> ended = controller.run(lost);
    reconciler.stand_by();
    if (stop.stop_requested()) recorder.stop();
    return ended;
  });
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

  if (!options.faults.empty()) {
    log::warning(
        "Injecting faults into requests to the API server, as --inject-faults says: never do this in production",
        {{"faults", options.faults}});
  }
  const auto registries = load_registry_config(options.registry_config);
  if (!registries) return give_up("Could not use the file of --registry-config", registries.error());
  const auto web = make_web(*registries, clock);
  if (!web) return give_up("Could not use certificateAuthorities of --registry-config", web.error());
  const auto identity = load_identity(options, clock, metrics, signals.token());
  if (!identity) return give_up("Found no way to reach the cluster", identity.error());
  log::info("Using the API server",
            {{"server", kubernetes::host_of(identity->config.server)},
             {"transport", to_string(kubernetes::transport_for(identity->config, options.transport))}});
  auto election = make_election(options, *identity, clock, metrics);
  if (!election) return give_up("Could not set up the connection to the cluster", election.error());
  kubernetes::ApiClient::Options client_options;
  client_options.fence = election->fence.get();
  const auto connection = connect(options, *identity, std::move(client_options), clock, metrics);
  if (!connection) return give_up("Could not set up the connection to the cluster", connection.error());
  kubernetes::ApiClient& client = *connection->client;

  WorkQueue::Options queue_options;
  queue_options.name = "imageclassifier";
  queue_options.spacing = std::chrono::milliseconds(25);
  WorkQueue queue(queue_options, clock, metrics);
  Watches watches(client, options, queue, clock, metrics);
  runtime::WriteBarrier barrier(
      {}, [&watches](std::string_view kind) { return watches.last_seen(kind); }, clock);
  reconciler::EndpointProber prober(
      {},
      [&clock](const reconciler::ProbeTarget& target, std::stop_token stop) {
        return reconciler::probe_over_http(target, clock, stop, &reconciler::may_connect);
      },
      [&queue](const ObjectKey& key) { queue.add(key); }, clock);
  registry::RequestMetrics requests(*registries, metrics, clock);
  reconciler::MintDesk mint_desk(
      *registries,
      requests.count_and_time(
          [&web, stop = signals.token()](const std::string& host, const kubernetes::Request& request) {
            return web->ask({}, stop)(host, request);
          }),
      requests.count_and_time(ask_metadata(registries->imds, clock, signals.token())), client,
      [&queue](const ObjectKey& key) { queue.add(key); }, clock, metrics);
  reconciler::ImageChecker images(
      {.servers = registries->servers, .again = std::chrono::milliseconds(options.image_check_milliseconds)},
      [&](const registry::ImageReference& reference, const reconciler::ImageQuestion& question,
          const registry::Preflight* known, std::stop_token stop) {
        return registry::look_up(reference, question.credential, registries->servers,
                                 requests.count(web->ask(question.authorities, stop)), clock.wall_now(), known);
      },
      [&queue](const ObjectKey& key) { queue.add(key); }, clock, metrics);
  reconciler::NodeArchitectures nodes(
      client, [&queue](const ObjectKey& key) { queue.add(key); }, clock);
  runtime::EventRecorder::Options recorder_options;
  recorder_options.source = {api::kFieldManager, std::string(api::kFieldManager) + "-" + host_name()};
  runtime::EventRecorder recorder(recorder_options, client, clock, metrics);
  reconciler::Reconciler reconciler(
      watches.stores(), client, prober, mint_desk, images, nodes, barrier,
      [&recorder](runtime::Event event) { recorder.record(std::move(event)); }, clock, metrics);
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
  if (options.leader.elect) {
    checks.live.push_back({"lease", [&leader = *election->leader] { return leader.fresh(); }});
  }
  checks.ready.push_back({"caches", [&watches]() -> Result<void> {
                            if (watches.synced()) return {};
                            return fail(ErrorCode::kUnavailable, "the caches are not filled yet");
                          }});
  auto health = serve_health(options, std::move(checks), metrics);
  if (!health) return give_up("Could not open the port for health and metrics", health.error());
  log::info("Serving health and metrics", {{"address", options.listen_address}, {"port", (*health)->port()}});
  watches.start();
  prober.start();
  mint_desk.start();
  images.start();
  nodes.start();
  recorder.start();
  const Result<void> ended = work(controller, reconciler, recorder, election->leader.get(), signals.token());
  log::info("Stopping");
  recorder.stop();
  nodes.stop();
  images.stop();
  mint_desk.stop();
  prober.stop();
  watches.stop();
  health->reset();
  if (!ended) return give_up("Stopped because the caches did not fill", ended.error());
  log::info("Stopped");
  return 0;
}

}  // namespace imageclassifier::app
