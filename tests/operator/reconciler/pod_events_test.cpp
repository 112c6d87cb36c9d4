#include "operator/reconciler/pod_events.hpp"

#include <catch2/catch.hpp>

#include "tests/operator/reconciler/fixtures.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_transport.hpp"
#include "tests/support/no_token.hpp"

using namespace imageclassifier;
using namespace imageclassifier::reconciler;
using namespace std::chrono_literals;
using reconciler::testing::World;

namespace {

const std::string kList = "GET /api/v1/namespaces/zoo/events?fieldSelector=involvedObject.uid%3Dpod-1&limit=50";
const std::string kFailed =
    R"({"metadata": {"resourceVersion": "1"}, "items": [{"metadata": {}, "involvedObject": {"uid": "pod-1"}, "type": "Warning",
        "reason": "FailedMount", "message": "no such volume"}]})";

struct Rig {
  imageclassifier::testing::FakeClock clock{true};
  MetricsRegistry metrics;
  imageclassifier::testing::FakeTransport server;
  imageclassifier::testing::NoToken tokens;
  kubernetes::ApiClient client{server, tokens, clock, metrics, {}};
  PodEvents events{{}, client, clock};
  World world = World().settle().pod_waits("ContainerCreating", "");

  Rig() { pod("pod-1"); }
  void pod(const std::string& uid) {
    auto changed = std::make_shared<api::Pod>(*world.observed.pods.at(0));
    changed->metadata.uid = uid;
    changed->metadata.namespace_name = "zoo";
    changed->node_name = "node";
    world.observed.pods = {changed};
  }
  std::optional<Duration> read() {
    world.observed.pod_events.clear();
    return events.read(world.observed, {});
  }
};

}  // namespace

TEST_CASE("events of a pod are read after some patience, and ever more seldom, however many passes come") {
  Rig rig;
  CHECK(rig.read() == 5s);
  rig.clock.advance(5s);
  for (const Duration pause : {10s, 20s, 40s, 60s, 60s}) {
    rig.server.expect(kList, 200, kFailed);
    CHECK(rig.read() == pause);
    for (int pass = 0; pass < 100; ++pass) rig.read();
    CHECK(rig.world.observed.pod_events.size() == 1);
    rig.clock.advance(pause);
  }
  CHECK(rig.server.finish() == std::vector<std::string>{});
}

TEST_CASE("no events are read of pods that are not being created, and another pod begins anew") {
  Rig rig;
  rig.read();
  rig.clock.advance(5s);
  rig.pod("pod-2");
  CHECK(rig.read() == 5s);
  rig.world.pod_waits("ErrImagePull", "not found");
  rig.clock.advance(60s);
  CHECK_FALSE(rig.read());
  rig.world.observed.pods.clear();
  CHECK_FALSE(rig.read());
  CHECK(rig.server.finish() == std::vector<std::string>{});
}

TEST_CASE("of many events the newest are found, and a flood is not read to its end") {
  const auto page = [](const std::string& seen, const std::string& more) {
    return R"({"metadata": {"resourceVersion": "1", "continue": ")" + more +
           R"("}, "items": [{"metadata": {}, "involvedObject": {"uid": "pod-1"}, "reason": "FailedMount",
           "lastTimestamp": "2026-01-31T08:00:)" +
           seen + R"(Z"}]})";
  };
  Rig rig;
  rig.read();
  rig.clock.advance(5s);
  rig.server.expect(kList, 200, page("01", "a"));
  rig.server.expect(kList + "&continue=a", 200, page("09", "b"));
  rig.server.expect(kList + "&continue=b", 200, page("05", ""));
  rig.read();
  REQUIRE(rig.world.observed.pod_events.size() == 1);
  CHECK(rig.world.observed.pod_events[0].last_seen == "2026-01-31T08:00:09Z");
  rig.clock.advance(10s);
  rig.server.expect(kList, 200, page("01", "a"));
  for (int more = 1; more < 20; ++more) rig.server.expect(kList + "&continue=a", 200, page("01", "a"));
  rig.read();
  CHECK(rig.server.finish() == std::vector<std::string>{});
}

TEST_CASE("what was read stays when events cannot be read") {
  Rig rig;
  rig.read();
  rig.clock.advance(5s);
  rig.server.expect(kList, 200, kFailed);
  rig.read();
  rig.clock.advance(10s);
  rig.server.expect(kList, 403, R"({"kind": "Status", "code": 403})");
  CHECK(rig.read() == 20s);
  CHECK(rig.world.observed.pod_events.size() == 1);
  CHECK(rig.server.finish() == std::vector<std::string>{});
}
