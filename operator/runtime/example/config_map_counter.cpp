// A whole controller, over a kind that this project has nothing to do with: every ConfigMap with the label
// example.com/count=yes gets the number of its keys as an annotation. README.md shows the middle part.
#include <nlohmann/json.hpp>

#include "common/json_scan.hpp"
#include "common/log.hpp"
#include "common/stop.hpp"
#include "operator/kubernetes/transport_factory.hpp"
#include "operator/runtime/controller.hpp"
#include "operator/runtime/informer.hpp"
#include "operator/runtime/write_barrier.hpp"

using namespace imageclassifier;

namespace {

const kubernetes::GroupVersionResource kConfigMaps{"", "v1", "configmaps"};
constexpr const char* kCount = "example.com/keys";

/// All that the cache keeps of a ConfigMap.
struct ConfigMap {
  struct {
    std::string namespace_name, name, uid, resource_version, owner_uid;
  } metadata;
  std::size_t keys = 0;
  std::string shown;  ///< the annotation
};

Result<ConfigMap> decode(std::string_view json) {
  const auto text = [&](const char* field) { return find_string(json, {"metadata", field}); };
  ConfigMap map{{text("namespace"), text("name"), text("uid"), text("resourceVersion"), ""}, 0, {}};
  map.shown = find_string(json, {"metadata", "annotations", kCount});
  const auto data = find_member(json, "data").value_or("{}");
  for_each_member(data, [&](auto, auto) { return ++map.keys != 0; });
  return map;
}

/// What we own of it, for server-side apply. With the uid, so that a ConfigMap that is gone is not made anew.
std::string wanted(const ConfigMap& map) {
  return nlohmann::json({{"apiVersion", "v1"},
                         {"kind", "ConfigMap"},
                         {"metadata",
                          {{"name", map.metadata.name},
                           {"namespace", map.metadata.namespace_name},
                           {"uid", map.metadata.uid},
                           {"annotations", {{kCount, std::to_string(map.keys)}}}}}})
      .dump();
}

Result<void> run(std::stop_token stop) {
  SystemClock clock;
  MetricsRegistry metrics;
  const auto config = kubernetes::load_client_config({});  // kubeconfig or in-cluster
  if (!config) return fail(config.error());
  const auto transport = kubernetes::make_transport(*config, {.kind = kubernetes::TransportKind::kCurl}, clock);
  if (!transport) return fail(transport.error());
  const auto tokens = kubernetes::make_token_source(*config, clock);
  kubernetes::ApiClient client(**transport, *tokens, clock, metrics, {});

  runtime::WorkQueue queue({.name = "counter"}, clock, metrics);
  runtime::Informer<ConfigMap> maps(client, {.resource = kConfigMaps, .selectors = {.labels = "example.com/count=yes"}},
                                    decode, clock, metrics);
  maps.add_handler([&](const runtime::Change<ConfigMap>& change) {
    using Priority = runtime::WorkQueue::Priority;
    const auto key = runtime::key_of(change.after ? *change.after : *change.before);
    queue.add(key, change.initial ? Priority::kBackground : Priority::kFresh);
  });
  runtime::WriteBarrier barrier(
      {}, [&](std::string_view) { return maps.last_seen_resource_version(); }, clock);

  const auto reconcile = [&](const runtime::ObjectKey& key, std::stop_token stopped) {
    using runtime::Outcome;
    const auto gate = barrier.check(key);  // never on a cache older than our own last write
    if (gate.gate == runtime::WriteBarrier::Gate::kClosed) return Outcome::not_yet(gate.look_again);
    const auto map = maps.store().get(key);
    if (!map || map->shown == std::to_string(map->keys)) return Outcome::success();
    const auto reply = client.apply(kConfigMaps, {key.namespace_name, key.name}, wanted(*map), {"counter"}, stopped);
    if (!reply) return Outcome::retry(reply.error());
    barrier.record(key, kConfigMaps.plural, reply->resource_version);
    log::info("Counted the keys", {{"keys", map->keys}});  // the line says by itself of which object
    return Outcome::success();
  };

  runtime::Controller controller(
      {.name = "counter", .kind = "ConfigMap", .wait_for = {[&] { return maps.has_synced(); }}}, queue, reconcile,
      clock, metrics);
  maps.start();
  return controller.run(stop);
}

}  // namespace

int main() {
  const SignalStop signals;  // first: it blocks the signals in every later thread
  log::set_level(log::Level::kInfo);
  const auto ended = run(signals.token());
  if (!ended) log::error("Could not work", {{"error", ended.error().describe()}});
  return ended ? 0 : 1;
}
