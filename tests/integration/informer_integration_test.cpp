#include <catch2/catch.hpp>
#include <fstream>
#include <map>
#include <random>

#include "common/json_scan.hpp"
#include "operator/kubernetes/watch_decoder.hpp"
#include "operator/runtime/informer.hpp"
#include "tests/integration/api_server.hpp"
#include "tests/operator/runtime/thing.hpp"
#include "tests/support/scripted_server.hpp"

using namespace imageclassifier;
using namespace imageclassifier::kubernetes;
using namespace imageclassifier::runtime;
using namespace imageclassifier::testing;
using namespace std::chrono_literals;
using testing_types::Thing;

namespace {

const GroupVersionResource kConfigMaps{"", "v1", "configmaps"};

Result<Thing> decode_thing(std::string_view json) {
  const auto metadata = find_member(json, "metadata").value_or(std::string_view());
  return Thing{{find_string(metadata, {"namespace"}), find_string(metadata, {"name"}), find_string(metadata, {"uid"}),
                find_string(metadata, {"resourceVersion"}), ""},
               find_string(json, {"data", "value"})};
}

std::string config_map(const std::string& name, const std::string& value) {
  return R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":")" + name +
         R"(","labels":{"app":"test"}},"data":{"value":")" + value + R"("}})";
}

/// name -> resourceVersion, as the server lists it.
std::map<std::string, std::string> listed(ApiServer& server, const std::string& namespace_name) {
  std::map<std::string, std::string> all;
  const auto answer =
      server.client->execute(list_request(kConfigMaps, namespace_name, {.selectors = {.labels = "app=test"}}), {});
  REQUIRE(answer);
  REQUIRE(decode_list(answer->body, [&](std::string_view item) {
    all[find_string(item, {"metadata", "name"})] = find_string(item, {"metadata", "resourceVersion"});
  }));
  return all;
}

std::map<std::string, std::string> cached(const Informer<Thing>& informer) {
  std::map<std::string, std::string> all;
  for (const auto& thing : informer.store().list()) all[thing->metadata.name] = thing->metadata.resource_version;
  return all;
}

reflector::Options by_lists() {
  reflector::Options options;
  options.stream_list = false;
  return options;
}

struct Watched {
  TcpProxy proxy{control_plane_port()};
  ApiServer through;
  Informer<Thing> informer;

  Watched(const std::string& namespace_name, const std::string& user_agent, reflector::Options options = by_lists(),
          const GroupVersionResource& kind = kConfigMaps)
      : through(config(proxy), {.user_agent = user_agent}),
        informer(*through.client,
                 {.resource = kind,
                  .namespace_name = namespace_name,
                  .selectors = {.labels = "app=test"},
                  .reflector = options},
                 decode_thing, through.clock, through.metrics) {}

  static ClientConfig config(const TcpProxy& proxy) {
    ClientConfig made = control_plane_config();
    made.server = "https://127.0.0.1:" + std::to_string(proxy.port());
    return made;
  }
  double counted(const std::string& name, const std::string& resource = "configmaps") {
    return through.metrics.counter(name, "", {{"resource", resource}}).value();
  }
};

// Events are the kind that the API server keeps no history of in memory: etcd's compaction is felt at once.
const GroupVersionResource kEvents{"", "v1", "events"};

std::string event(const std::string& space, const std::string& name) {
  return R"({"apiVersion":"v1","kind":"Event","metadata":{"name":")" + name +
         R"(","labels":{"app":"test"}},"involvedObject":{"namespace":")" + space + R"("},"reason":"Tested"})";
}

/// Makes etcd forget its history up to the newest version of the events.
void compact(ApiServer& server, const std::string& space) {
  const auto answer = server.client->execute(list_request(kEvents, space, {}), {});
  REQUIRE(answer);
  const std::string version = find_string(answer->body, {"metadata", "resourceVersion"});
  ClientConfig config;
  config.server = control_plane_state("etcd");
  ApiServer etcd(config);
  const auto compacted = etcd.client->execute(
      {Method::kPost, "/v3/kv/compaction", {}, R"({"revision":")" + version + R"(","physical":true})"}, {});
  REQUIRE(compacted);
  REQUIRE(compacted->status == 200);
}

}  // namespace

TEST_CASE("changes arrive in the cache and at the handlers, the version written is soon seen") {
  ApiServer server;
  TestNamespace space(server);
  REQUIRE(server.client->apply(kConfigMaps, {space.name(), "old"}, config_map("old", "1"), {.field_manager = "t"}, {}));
  Watched watched(space.name(), "informer-test");
  std::atomic<int> added{0}, changed{0}, removed{0};
  watched.informer.add_handler([&](const Change<Thing>& change) {
    ++(!change.before ? added : !change.after ? removed : changed);
  });
  watched.informer.start();
  REQUIRE(eventually([&] { return watched.informer.has_synced(); }));
  CHECK(watched.informer.store().get({space.name(), "old"})->value == "1");
  const auto written =
      server.client->apply(kConfigMaps, {space.name(), "old"}, config_map("old", "2"), {.field_manager = "t"}, {});
  REQUIRE(written);
  CHECK(eventually([&] { return watched.informer.last_seen_resource_version() == written->resource_version; }));
  CHECK(watched.informer.store().get({space.name(), "old"})->value == "2");
  REQUIRE(server.client->remove(kConfigMaps, {space.name(), "old"}, {}, {}));
  CHECK(eventually([&] { return removed == 1; }));
  CHECK(added == 1);
  CHECK(changed == 1);
  CHECK(watched.informer.store().size() == 0);
}

TEST_CASE("pages make one list") {
  ApiServer server;
  TestNamespace space(server);
  for (int i = 0; i < 25; ++i) {
    const std::string name = "m" + std::to_string(i);
    REQUIRE(server.client->apply(kConfigMaps, {space.name(), name}, config_map(name, "1"), {.field_manager = "t"}, {}));
  }
  reflector::Options options = by_lists();
  options.page_size = 10;
  Watched watched(space.name(), "pages-test", options);
  watched.informer.start();
  REQUIRE(eventually([&] { return watched.informer.has_synced(); }));
  CHECK(watched.informer.store().size() == 25);
  CHECK(watched.counted("reflector_lists_total") == 3);
}

TEST_CASE("no event is lost over fifty random cuts of the watch, and none leads to a list") {
  const unsigned seed = 1;
  INFO("seed " << seed);
  std::mt19937 random(seed);
  ApiServer server;
  TestNamespace space(server);
  reflector::Options options = by_lists();
  options.backoff_base = 10ms;
  options.backoff_cap = 50ms;
  Watched watched(space.name(), "cuts-test", options);
  watched.informer.start();
  REQUIRE(eventually([&] { return watched.informer.has_synced(); }));
  for (int cut = 0; cut < 50; ++cut) {
    for (unsigned i = random() % 5; i > 0; --i) {
      const std::string name = "m" + std::to_string(random() % 10);
      if (random() % 3 == 0) {
        (void)server.client->remove(kConfigMaps, {space.name(), name}, {}, {});
      } else {
        REQUIRE(server.client->apply(kConfigMaps, {space.name(), name}, config_map(name, std::to_string(cut * 10 + i)),
                                     {.field_manager = "t"}, {}));
      }
    }
    const int connections = watched.proxy.connections();
    watched.proxy.cut();
    REQUIRE(eventually([&] { return watched.proxy.connections() > connections; }));
  }
  CHECK(eventually([&] { return cached(watched.informer) == listed(server, space.name()); }));
  CHECK(watched.counted("reflector_lists_total") == 1);
  CHECK(watched.proxy.connections() > 50);
}

TEST_CASE("a frozen connection is noticed by its silence, and the watch goes on from the last version without a list") {
  ApiServer server;
  TestNamespace space(server);
  const std::string agent = "silence-" + space.name();
  reflector::Options options = by_lists();
  options.idle_timeout = 500ms;
  options.idle_jitter = 0ms;
  options.backoff_base = 10ms;
  Watched watched(space.name(), agent, options);
  watched.informer.start();
  REQUIRE(eventually([&] { return watched.informer.has_synced(); }));
  watched.proxy.freeze(true);
  REQUIRE(server.client->apply(kConfigMaps, {space.name(), "new"}, config_map("new", "1"), {.field_manager = "t"}, {}));
  const double watches = watched.counted("reflector_watches_total");
  REQUIRE(eventually([&] { return watched.counted("reflector_watches_total") >= watches + 2; }));
  CHECK(watched.informer.store().size() == 0);
  watched.proxy.freeze(false);
  CHECK(eventually([&] { return watched.informer.store().size() == 1; }));
  // Many silent watches later the server has still seen one list.
  const double more = watched.counted("reflector_watches_total");
  REQUIRE(eventually([&] { return watched.counted("reflector_watches_total") >= more + 4; }));
  watched.informer.stop();
  CHECK(eventually([&] { return audit_lines({"\"userAgent\":\"" + agent + "\"", "\"verb\":\"watch\""}).size() >= 4; }));
  CHECK(
      audit_lines({"\"userAgent\":\"" + agent + "\"", "\"verb\":\"list\"", "\"stage\":\"ResponseComplete\""}).size() ==
      1);
}

TEST_CASE("after the server has forgotten the version, one list brings the cache up to date, deletions too") {
  ApiServer server;
  TestNamespace space(server);
  const auto make = [&](const std::string& name) {
    REQUIRE(server.client->create(kEvents, space.name(), event(space.name(), name), "t", {}));
  };
  make("kept");
  make("deleted");
  reflector::Options options = by_lists();
  options.idle_timeout = 500ms;
  options.backoff_base = 10ms;
  Watched watched(space.name(), "compaction-test", options, kEvents);
  std::atomic<int> removed{0};
  watched.informer.add_handler([&](const Change<Thing>& change) { removed += !change.after; });
  watched.informer.start();
  REQUIRE(eventually([&] { return watched.informer.has_synced(); }));
  CHECK(watched.informer.store().size() == 2);
  watched.proxy.freeze(true);
  watched.proxy.cut();
  make("new");
  REQUIRE(server.client->remove(kEvents, {space.name(), "deleted"}, {}, {}));
  make("last");
  compact(server, space.name());
  watched.proxy.freeze(false);
  CHECK(eventually([&] { return removed == 1 && watched.informer.store().size() == 3; }));
  CHECK(watched.counted("reflector_lists_total", "events") == 2);
}
