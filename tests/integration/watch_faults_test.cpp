// What lists and watches do when a real API server, or the way to it, refuses them: judged by its audit log.
#include <atomic>
#include <catch2/catch.hpp>
#include <set>
#include <thread>

#include "common/json_scan.hpp"
#include "operator/runtime/write_barrier.hpp"
#include "tests/integration/followed.hpp"
#include "tests/support/scripted_server.hpp"

using namespace imageclassifier;
using namespace imageclassifier::testing;
using namespace std::chrono_literals;

namespace {

std::string parameter(const std::string& uri, const std::string& name) {
  const std::size_t begin = uri.find(name + "=");
  if (begin == std::string::npos) return "";
  const std::size_t value = begin + name.size() + 1;
  return uri.substr(value, uri.find('&', value) - value);
}

void fill(const std::string& space, int count) {
  constexpr int kThreads = 4;
  ApiServer server;
  std::atomic<int> next{0}, made{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        for (int number = next++; number < count; number = next++) {
          const std::string name = "m" + std::to_string(number);
          made += server.client->create(kConfigMaps, space, config_map(name, "1"), "churn", {}).has_value();
        }
      });
    }
  }
  REQUIRE(made == count);
}

kubernetes::ClientConfig proxied(const TcpProxy& proxy) {
  return control_plane_config("https://127.0.0.1:" + std::to_string(proxy.port()));
}

/// Makes etcd forget its history up to now; the version that it kept.
std::string compact(ApiServer& server) {
  const auto answer = server.client->execute(list_request(kConfigMaps, "default", {}), {});
  REQUIRE(answer);
  const std::string version = find_string(answer->body, {"metadata", "resourceVersion"});
  kubernetes::ClientConfig config;
  config.server = control_plane_state("etcd");
  ApiServer etcd(config);
  const auto compacted = etcd.client->execute(
      {kubernetes::Method::kPost, "/v3/kv/compaction", {}, R"({"revision":")" + version + R"(","physical":true})"}, {});
  REQUIRE(compacted);
  return version;
}

}  // namespace

TEST_CASE("429 at the start of a watch is waited out as the server says, without a list") {
  ApiServer server;
  TestNamespace space(server);
  Followed followed(space.name(), "watch=status:code=429:retry=1:times=2", quick());
  const SteadyTime started = followed.direct.clock.steady_now();
  followed.informer.start();
  REQUIRE(eventually([&] { return followed.informer.has_synced(); }));
  apply_config_map(server, space.name(), "a", "1");
  REQUIRE(eventually([&] { return followed.cached() == listed(server, space.name()); }));
  CHECK(followed.direct.clock.steady_now() - started >= 2s);
  followed.informer.stop();
  CHECK(followed.injected("status") == 2);
  CHECK(eventually([&] { return audited(followed.agent, "watch").size() == 1; }));
  CHECK(audited(followed.agent, "list").size() == 1);
}

TEST_CASE("410 by HTTP leads to one list at the last version, which finds what was deleted meanwhile") {
  ApiServer server;
  TestNamespace space(server);
  for (int i = 0; i < 15; ++i) apply_config_map(server, space.name(), "m" + std::to_string(i), "1");
  TcpProxy proxy(control_plane_port());
  Followed followed(space.name(), "watch=status:code=410:after=1:times=1", quick(), proxied(proxy));
  std::atomic<int> removed{0};
  followed.informer.add_handler([&](const auto& change) { removed += !change.after; });
  followed.informer.start();
  REQUIRE(eventually([&] { return followed.counted("reflector_watches_total") == 1; }));
  REQUIRE(followed.informer.store().size() == 15);
  proxy.freeze(true);
  for (int i = 0; i < 10; ++i) {
    REQUIRE(server.client->remove(kConfigMaps, {space.name(), "m" + std::to_string(i)}, {}, {}));
  }
  proxy.cut();
  proxy.freeze(false);
  REQUIRE(eventually([&] { return followed.cached() == listed(server, space.name()); }));
  CHECK(removed == 10);
  followed.informer.stop();
  CHECK(followed.counted("reflector_expired_total") == 1);
  const auto lists = audited(followed.agent, "list");
  REQUIRE(lists.size() == 2);
  CHECK(parameter(lists[0], "limit") == "500");
  CHECK(parameter(lists[0], "resourceVersion").empty());
  CHECK(parameter(lists[1], "limit").empty());
  CHECK(std::stoll(parameter(lists[1], "resourceVersion")) > 0);
}

TEST_CASE("of two thousand objects, pages are asked without version; a page that expired leads to one whole list") {
  ApiServer server;
  TestNamespace space(server);
  fill(space.name(), 2000);
  const auto expected = listed(server, space.name());
  REQUIRE(expected.size() == 2000);
  {
    Followed pages(space.name(), "", quick());
    pages.informer.start();
    REQUIRE(eventually([&] { return pages.informer.has_synced(); }));
    CHECK(pages.cached() == expected);
    pages.informer.stop();
    const auto lists = audited(pages.agent, "list");
    CHECK(lists.size() == 4);
    for (std::size_t i = 0; i < lists.size(); ++i) {
      CHECK(parameter(lists[i], "limit") == "500");
      CHECK(parameter(lists[i], "continue").empty() == (i == 0));
      CHECK(lists[i].find("resourceVersion") == std::string::npos);
    }
  }
  Followed expired(space.name(), "get@continue=status:code=410:times=1", quick());
  expired.informer.start();
  REQUIRE(eventually([&] { return expired.informer.has_synced(); }));
  CHECK(expired.cached() == expected);
  expired.informer.stop();
  const auto lists = audited(expired.agent, "list");
  REQUIRE(lists.size() == 2);
  CHECK(lists[1].find("limit") == std::string::npos);
  CHECK(lists[1].find("continue") == std::string::npos);
}

TEST_CASE("the content comes by a stream without any list, and by a list when the stream fails before its end mark") {
  ApiServer server;
  TestNamespace space(server);
  for (int i = 0; i < 30; ++i) apply_config_map(server, space.name(), "m" + std::to_string(i), "1");
  runtime::reflector::Options options = quick();
  options.stream_list = true;
  const auto [faults, lists] = GENERATE(table<std::string, std::size_t>({
      {"", 0},
      {"watch=cut:bytes=5000:times=1", 1},
      {"watch=drop:after=30:times=1", 1},
      {"watch=status:code=500:times=1", 1},
      {"watch=status:code=429:times=1", 1},
      {"watch=status:code=410:times=1", 1},
      {"watch=reset:times=1", 1},
  }));
  if (faults.find("drop") != std::string::npos) {
    // The mark itself is lost: silence until the idle time-out, then a list.
    options.idle_timeout = 500ms;
    options.idle_jitter = 0ms;
  }
  INFO(faults);
  Followed followed(space.name(), faults, options);
  followed.informer.start();
  REQUIRE(eventually([&] { return followed.informer.has_synced(); }));
  CHECK(followed.cached() == listed(server, space.name()));
  apply_config_map(server, space.name(), "later", "1");
  CHECK(eventually([&] { return followed.cached() == listed(server, space.name()); }));
  followed.informer.stop();
  REQUIRE(eventually([&] { return !audited(followed.agent, "watch").empty(); }));
  CHECK(audited(followed.agent, "list").size() == lists);
  if (faults.empty()) {
    const auto watches = audited(followed.agent, "watch");
    REQUIRE(watches.size() == 1);
    CHECK(parameter(watches[0], "sendInitialEvents") == "true");
    CHECK(parameter(watches[0], "resourceVersionMatch") == "NotOlderThan");
    CHECK(parameter(watches[0], "allowWatchBookmarks") == "true");
  }
}

TEST_CASE("the time-outs asked for are spread over 300 to 600 seconds, with selector and bookmarks in each watch") {
  ApiServer server;
  TestNamespace space(server);
  runtime::reflector::Options options = quick();
  options.idle_timeout = 40ms;
  options.idle_jitter = 0ms;
  options.short_watch = 0ms;
  Followed followed(space.name(), "", options);
  followed.informer.start();
  REQUIRE(eventually([&] { return audited(followed.agent, "watch").size() >= 50; }));
  followed.informer.stop();
  std::set<int> seconds;
  int low = 0;
  const auto watches = audited(followed.agent, "watch");
  for (const std::string& uri : watches) {
    const int asked = std::stoi(parameter(uri, "timeoutSeconds"));
    CHECK(asked >= 300);
    CHECK(asked < 600);
    seconds.insert(asked);
    low += asked < 450;
    CHECK(parameter(uri, "labelSelector") == "app%3Dfollowed");
    CHECK(parameter(uri, "allowWatchBookmarks") == "true");
  }
  CHECK(seconds.size() > 20);
  CHECK(low > static_cast<int>(watches.size()) / 5);
  CHECK(low < static_cast<int>(watches.size()) * 4 / 5);
  CHECK(audited(followed.agent, "list").size() == 1);
}

TEST_CASE("watches that the server ends at once are opened ever more seldom, up to the longest pause") {
  constexpr double kFirst = 0.1, kLongest = 0.4, kLate = 2;
  ApiServer server;
  TestNamespace space(server);
  runtime::reflector::Options options = quick();
  options.watch_timeout = 1s;  // the shortest that the server knows; it ends without a bookmark
  options.short_watch = 1900ms;
  options.backoff_base = 100ms;
  options.backoff_cap = 400ms;
  Followed followed(space.name(), "", options);
  followed.informer.start();
  REQUIRE(eventually([&] { return audited(followed.agent, "watch").size() >= 7; }));
  followed.informer.stop();
  const std::vector<Span> watches = audited_spans(followed.agent, "watch");
  double least = kFirst;
  for (std::size_t i = 1; i < watches.size(); ++i) {
    const double pause = watches[i].begin - watches[i - 1].end;
    INFO("after watch " << i << " a pause of " << pause << " s");
    CHECK(pause >= least - 0.01);
    CHECK(pause <= 2 * least + kLate);
    least = std::min(2 * least, kLongest);
  }
  CHECK(least == kLongest);
  CHECK(audited(followed.agent, "list").size() == 1);
}

TEST_CASE("bookmarks carry an idle watch over a compaction: no 410 and no list") {
  ApiServer server;
  TestNamespace space(server);
  TestNamespace other(server);
  runtime::reflector::Options options = quick();
  options.watch_timeout = 3s;  // a bookmark comes two seconds before the end of a watch
  Followed followed(space.name(), "", options);
  followed.informer.start();
  REQUIRE(eventually([&] { return followed.informer.has_synced(); }));
  for (int i = 0; i < 20; ++i) apply_config_map(server, other.name(), "churn", std::to_string(i));
  const std::string kept = compact(server);
  REQUIRE(eventually(
      [&] { return runtime::compare_resource_versions(followed.informer.last_seen_resource_version(), kept) >= 0; }));
  const double watches = followed.counted("reflector_watches_total");
  REQUIRE(eventually([&] { return followed.counted("reflector_watches_total") > watches; }));
  apply_config_map(server, space.name(), "a", "1");
  CHECK(eventually([&] { return followed.cached() == listed(server, space.name()); }));
  followed.informer.stop();
  CHECK(followed.counted("reflector_expired_total") == 0);
  CHECK(audited(followed.agent, "list").size() == 1);
  CHECK(followed.informer.store().size() == 1);
}
