// A cache whose connection moves to an API server that lags behind the one before: the second server of the fixture,
// whose watches on etcd are held.
#include <atomic>
#include <catch2/catch.hpp>

#include "common/json_scan.hpp"
#include "operator/runtime/write_barrier.hpp"
#include "tests/integration/followed.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/scripted_server.hpp"

using namespace imageclassifier;
using namespace imageclassifier::testing;
using namespace std::chrono_literals;

namespace {

/// What the second server hears of etcd; open again at the end.
class EtcdPath {
 public:
  ~EtcdPath() { command("open"); }
  void command(const std::string& text) {
    test::RawClient control(static_cast<std::uint16_t>(std::stoi(control_plane_state("etcdPathControl"))));
    control.send(text + "\n");
    control.half_close();
    CHECK(control.read_to_end() == "ok\n");
  }
};

int second_port() {
  const std::string server = control_plane_state("secondServer");
  return std::stoi(server.substr(server.rfind(':') + 1));
}

/// Counts what must never happen to a cache.
struct History {
  explicit History(runtime::Informer<testing_types::Thing>& informer) {
    informer.add_handler([this](const auto& change) {
      if (!change.after) {
        ++removed;
        return;
      }
      std::string& known = versions[change.after->metadata.uid];
      backwards += runtime::compare_resource_versions(change.after->metadata.resource_version, known) < 0;
      known = change.after->metadata.resource_version;
    });
  }
  std::map<std::string, std::string> versions;  // of the informer's thread
  std::atomic<int> backwards{0}, removed{0};
};

/// A cache that has seen everything through a switch, then moves to a second server that has not.
struct Moved {
  Moved(const std::string& faults, const runtime::reflector::Options& options)
      : proxy(control_plane_port()),
        followed(space.name(), faults, options,
                 control_plane_config("https://127.0.0.1:" + std::to_string(proxy.port())), 6s),
        history(followed.informer) {
    for (int i = 0; i < 10; ++i) put(i, "before");
    followed.informer.start();
    REQUIRE(eventually([&] { return followed.informer.has_synced(); }));
    path.command("watches /registry/configmaps");
    for (int i = 0; i < 5; ++i) put(i, "not seen by the second server");
    remove(9);
    put(10, "made after it fell behind");
    REQUIRE(eventually([&] { return is_current(); }));
    seen = followed.cached();
    lists = audited(followed.agent, "list").size();
    watches = followed.counted("reflector_watches_total");
    proxy.retarget(second_port());
    proxy.cut();
  }
  void put(int number, const std::string& value) {
    apply_config_map(server, space.name(), "m" + std::to_string(number), value);
  }
  void remove(int number) {
    REQUIRE(server.client->remove(kConfigMaps, {space.name(), "m" + std::to_string(number)}, {}, {}));
  }
  bool is_current() { return followed.cached() == listed(server, space.name()); }
  /// Objects neither went back nor went away, but for `removals` true ones.
  void check_history(int removals) {
    CHECK(history.backwards == 0);
    CHECK(history.removed == removals);
  }

  ApiServer server;
  TestNamespace space{server};
  EtcdPath path;
  TcpProxy proxy;
  Followed followed;
  History history;
  std::map<std::string, std::string> seen;
  std::size_t lists = 0;
  double watches = 0;
};

}  // namespace

TEST_CASE("on a server that lags the cache stays as it is, without a list, and goes on when the server has caught up") {
  Moved moved("", quick());
  REQUIRE(eventually([&] { return moved.followed.counted("reflector_watches_total") > moved.watches; }));
  moved.put(0, "while it lags");
  moved.remove(1);
  moved.server.clock.sleep_for(2s, {});
  CHECK(moved.followed.cached() == moved.seen);
  moved.check_history(1);
  moved.path.command("open");
  CHECK(eventually([&] { return moved.is_current(); }));
  moved.check_history(2);
  moved.followed.informer.stop();
  CHECK(moved.followed.counted("reflector_expired_total") == 0);
  CHECK(audited(moved.followed.agent, "list", "secondAuditLog").empty());
  CHECK(audited(moved.followed.agent, "list").size() == moved.lists);
}

TEST_CASE("a list that must be as new as what is known comes from etcd when the watch cache of its server lags") {
  runtime::reflector::Options options = quick();
  options.stream_list = GENERATE(false, true);
  INFO("stream_list " << options.stream_list);
  Moved moved("watch=status:code=410:after=1:times=1", options);
  moved.put(0, "while it lags");
  CHECK(eventually([&] { return moved.is_current(); }));
  moved.check_history(1);
  moved.followed.informer.stop();
  const auto lists = audited(moved.followed.agent, "list", "secondAuditLog");
  REQUIRE(lists.size() >= 2);
  CHECK(lists.size() <= 4);
  CHECK(lists.front().find("resourceVersion=") != std::string::npos);
  CHECK(lists.back().find("resourceVersion=") == std::string::npos);
}

TEST_CASE("while nothing can be as new as what is known, the cache stays filled and the server is asked with pauses") {
  runtime::reflector::Options options = quick();
  options.stream_list = GENERATE(false, true);
  INFO("stream_list " << options.stream_list);
  Moved moved("watch=status:code=410:after=1:times=1", options);
  moved.path.command("all");
  REQUIRE(eventually([&] { return moved.followed.injected("status") == 1; }));
  const SteadyTime begin = moved.server.clock.steady_now();
  while (moved.server.clock.steady_now() - begin < 12s) {
    REQUIRE(moved.followed.cached() == moved.seen);
    moved.server.clock.sleep_for(100ms, {});
  }
  CHECK(moved.followed.counted("reflector_lists_total") - static_cast<double>(moved.lists) <= 4);
  moved.put(0, "while it lags");
  moved.path.command("open");
  CHECK(eventually([&] { return moved.is_current(); }));
  moved.check_history(1);
}
