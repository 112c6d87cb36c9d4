#include "operator/app/application.hpp"

#include "common/build_info.hpp"
#include "common/http_server.hpp"
#include "common/log.hpp"
#include "common/metrics.hpp"
#include "operator/kubernetes/api_client.hpp"
#include "operator/kubernetes/cpprest_transport.hpp"
#include "operator/kubernetes/token_source.hpp"
#include "operator/reconciler/kinds.hpp"
#include "operator/reconciler/reconciler.hpp"
#include "operator/resources/builders.hpp"
#include "operator/runtime/informer.hpp"

namespace imageclassifier::app {
namespace {

using runtime::Informer;
using runtime::ObjectKey;
using runtime::WorkQueue;

runtime::ResourceWatch::Options watched(const kubernetes::GroupVersionResource& resource, const RunOptions& options,
                                        kubernetes::Selectors selectors) {
  runtime::ResourceWatch::Options watch;
  watch.resource = resource;
  watch.namespace_name = options.namespace_name;
  watch.selectors = std::move(selectors);
  return watch;
}

/// For kinds without a watch cache in the API server: see reflector::Options::stream_list.
runtime::ResourceWatch::Options streamed(runtime::ResourceWatch::Options watch) {
  watch.reflector.stream_list = true;
  return watch;
}

kubernetes::Selectors our_children() {
  kubernetes::Selectors selectors;
  selectors.labels = std::string(resources::kManagedByLabel) + "=" + resources::kManagedBy;
  return selectors;
}

kubernetes::Selectors events_of_services() {
  kubernetes::Selectors selectors;
  selectors.fields = "involvedObject.kind=Service";
  return selectors;
}

std::string host_of(const std::string& server) {
  const std::size_t scheme = server.find("://");
  const std::string rest = scheme == std::string::npos ? server : server.substr(scheme + 3);
  return rest.substr(0, rest.find('/'));
}

/// The caches and who is told of their changes. The queue gets the key of the resource that a change concerns.
class Watches {
 public:
  Watches(kubernetes::ApiClient& client, const RunOptions& options, WorkQueue& queue, Clock& clock,
          MetricsRegistry& metrics)
      : queue_(queue),
        classifiers_(client, watched(reconciler::image_classifiers(), options, {}), api::decode_image_classifier, clock,
                     metrics),
        deployments_(client, watched(reconciler::deployments(), options, our_children()), api::decode_deployment, clock,
                     metrics),
        replica_sets_(client, watched(reconciler::replica_sets(), options, our_children()), api::decode_replica_set,
                      clock, metrics),
        pods_(client, watched(reconciler::pods(), options, our_children()), api::decode_pod, clock, metrics),
        services_(client, watched(reconciler::services(), options, our_children()), api::decode_service, clock,
                  metrics),
        events_(client, streamed(watched(reconciler::events(), options, events_of_services())), api::decode_event,
                clock, metrics) {
    classifiers_.add_handler(
        [this](const auto& change) { enqueue(runtime::key_of(object_of(change)), change.initial); });
    tell_instance(deployments_);
    tell_instance(replica_sets_);
    tell_instance(pods_);
    tell_instance(services_);
    events_.add_handler([this](const auto& change) {
      if (!change.after) return;  // an event that expired is no news
      const ObjectKey key{change.after->involved_namespace, change.after->involved_name};
      if (services_.store().get(key)) enqueue(key, change.initial);
    });
  }

  void start() {
    classifiers_.start();
    deployments_.start();
    replica_sets_.start();
    pods_.start();
    services_.start();
    events_.start();
  }

  void stop() {
    events_.stop();
    services_.stop();
    pods_.stop();
    replica_sets_.stop();
    deployments_.stop();
    classifiers_.stop();
  }

  bool synced() const {
    return classifiers_.has_synced() && deployments_.has_synced() && replica_sets_.has_synced() && pods_.has_synced() &&
           services_.has_synced() && events_.has_synced();
  }

  /// Of the kinds that we write and watch.
  std::string last_seen(std::string_view plural) const {
    if (plural == "imageclassifiers") return classifiers_.last_seen_resource_version();
    if (plural == "deployments") return deployments_.last_seen_resource_version();
    return services_.last_seen_resource_version();
  }

  reconciler::Stores stores() const {
    return {classifiers_.store(), deployments_.store(), replica_sets_.store(),
            pods_.store(),        services_.store(),    events_.store()};
  }

 private:
  template <typename T>
  static const T& object_of(const runtime::Change<T>& change) {
    return change.after ? *change.after : *change.before;
  }

  void enqueue(const ObjectKey& key, bool initial) {
    queue_.add(key, initial ? WorkQueue::Priority::kBackground : WorkQueue::Priority::kFresh);
  }

  /// Children carry the resource's name in a label.
  template <typename T>
  void tell_instance(Informer<T>& informer) {
    informer.add_handler([this](const runtime::Change<T>& change) {
      const api::ObjectMeta& metadata = object_of(change).metadata;
      const auto instance = metadata.labels.find(resources::kInstanceLabel);
      if (instance != metadata.labels.end()) enqueue({metadata.namespace_name, instance->second}, change.initial);
    });
  }

  WorkQueue& queue_;
  Informer<api::ImageClassifier> classifiers_;
  Informer<api::Deployment> deployments_;
  Informer<api::ReplicaSet> replica_sets_;
  Informer<api::Pod> pods_;
  Informer<api::Service> services_;
  Informer<api::Event> events_;
};

HttpResponse text(int status, std::string body) {
  HttpResponse response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

Result<std::unique_ptr<HttpServer>> serve_health(const RunOptions& options, const Watches& watches,
                                                 const MetricsRegistry& metrics) {
  std::vector<HttpRoute> routes;
  routes.push_back(
      {"GET", "/healthz", [](HttpRequest, HttpResponder responder) { responder.respond(text(200, "ok\n")); }});
  routes.push_back({"GET", "/readyz", [&watches](HttpRequest, HttpResponder responder) {
                      responder.respond(watches.synced() ? text(200, "ok\n")
                                                         : text(503, "the caches are not filled yet\n"));
                    }});
  routes.push_back({"GET", "/metrics", [&metrics](HttpRequest, HttpResponder responder) {
                      HttpResponse response = text(200, metrics.text());
                      response.content_type = MetricsRegistry::kContentType;
                      responder.respond(std::move(response));
                    }});
  HttpServerOptions server;
  server.address = options.listen_address;
  server.port = options.listen_port;
  server.handler_threads = 1;
  server.max_connections = 64;
  return HttpServer::start(std::move(server), std::move(routes));
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
  auto transport = kubernetes::make_cpprest_transport(*config, {}, clock);
  if (!transport) return give_up("Could not set up the connection to the cluster", transport.error());
  const auto tokens = kubernetes::make_token_source(*config, clock);
  kubernetes::ApiClient::Options client_options;
  client_options.host_label = host_of(config->server);
  kubernetes::ApiClient client(**transport, *tokens, clock, metrics, client_options);

  WorkQueue queue({.name = "imageclassifier"}, clock, metrics);
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
  controller_options.workers = options.workers;
  controller_options.wait_for.push_back([&watches] { return watches.synced(); });
  runtime::Controller controller(
      controller_options, queue,
      [&reconciler](const ObjectKey& key, std::stop_token stop) { return reconciler.reconcile(key, stop); }, clock,
      metrics);

  auto health = serve_health(options, watches, metrics);
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
