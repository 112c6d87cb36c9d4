#include "operator/runtime/informer.hpp"

#include <catch2/catch.hpp>
#include <mutex>

#include "common/json_scan.hpp"
#include "tests/operator/runtime/thing.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_transport.hpp"
#include "tests/support/no_token.hpp"

using namespace imageclassifier;
using namespace imageclassifier::runtime;
using namespace std::chrono_literals;
using imageclassifier::testing::FakeClock;
using imageclassifier::testing::FakeTransport;
using imageclassifier::testing::NoToken;
using kubernetes::StreamEnd;
using testing_types::Thing;

namespace {

Result<Thing> decode_thing(std::string_view json) {
  const std::string value = find_string(json, {"value"});
  if (value == "bad") return fail(ErrorCode::kInvalidArgument, "bad value");
  return Thing{{find_string(json, {"metadata", "namespace"}), find_string(json, {"metadata", "name"}),
                find_string(json, {"metadata", "uid"}), find_string(json, {"metadata", "resourceVersion"}), ""},
               value};
}

std::string object(const std::string& name, const std::string& version, const std::string& value = "v") {
  return R"({"metadata":{"namespace":"ns","name":")" + name + R"(","uid":"u-)" + name + R"(","resourceVersion":")" +
         version + R"("},"value":")" + value + R"("})";
}
std::string event(const std::string& type, const std::string& body) {
  return R"({"type":")" + type + R"(","object":)" + body + "}";
}
std::string list(const std::string& version, const std::vector<std::string>& items, const std::string& more = "") {
  std::string text = R"({"kind":"ThingList","metadata":{"resourceVersion":")" + version + R"(","continue":")" + more +
                     R"("},"items":[)";
  for (std::size_t i = 0; i < items.size(); ++i) text += (i ? "," : "") + items[i];
  return text + "]}";
}
std::string status(int code, const std::string& reason) {
  return R"({"kind":"Status","code":)" + std::to_string(code) + R"(,"reason":")" + reason + R"(","message":"m"})";
}

const std::string kList = "GET /apis/example.com/v1/namespaces/ns/things?labelSelector=app%3Dx&";
const std::string kFirstList = kList + "limit=500";
std::string watch_from(const std::string& version) {
  return "GET /apis/example.com/v1/namespaces/ns/things?watch=1&labelSelector=app%3Dx&resourceVersion=" + version +
         "&allowWatchBookmarks=true&timeoutSeconds=*";
}

reflector::Options by_lists() {
  reflector::Options options;
  options.stream_list = false;
  return options;
}

struct Rig {
  FakeClock clock{true};
  MetricsRegistry metrics;
  FakeTransport server;
  NoToken tokens;
  kubernetes::ApiClient client{server, tokens, clock, metrics, {}};
  std::vector<std::string> changes;
  Informer<Thing> informer{client,
                           {.resource = {"example.com", "v1", "things"},
                            .namespace_name = "ns",
                            .selectors = {"app=x", ""},
                            .reflector = by_lists(),
                            .maximum_objects = 100},
                           decode_thing,
                           clock,
                           metrics};

  /// Runs the whole script until the informer is in a watch that goes on for ever.
  void run() {
    informer.add_handler([this](const Change<Thing>& change) {
      const Thing& thing = change.after ? *change.after : *change.before;
      changes.push_back((change.before ? change.after ? "~" : "-" : "+") + thing.metadata.name + "@" +
                        thing.metadata.resource_version + (change.initial ? "!" : ""));
    });
    informer.start();
    server.wait_until_done(true);
    informer.stop();
    CHECK(server.finish() == std::vector<std::string>{});
  }
  double counted(const std::string& name) {
    return metrics.counter(name, "", {{"resource", "things.example.com"}}).value();
  }
};

using Strings = std::vector<std::string>;

}  // namespace

TEST_CASE("an informer lists page by page, then watches, and tells its handlers what changed") {
  Rig rig;
  rig.server.expect(kFirstList, 200, list("100", {object("a", "1")}, "c2"))
      .expect(kList + "limit=500&continue=c2", 200, list("105", {object("b", "2")}))
      .expect_watch(watch_from("100"), {event("ADDED", object("c", "101")), event("MODIFIED", object("a", "102")),
                                        event("DELETED", object("b", "103"))});
  CHECK_FALSE(rig.informer.has_synced());
  rig.run();
  CHECK(rig.informer.has_synced());
  std::sort(rig.changes.begin(), rig.changes.begin() + 2);
  CHECK(rig.changes == Strings{"+a@1!", "+b@2!", "+c@101", "~a@102", "-b@103"});
  CHECK(rig.informer.store().size() == 2);
  CHECK(rig.informer.last_seen_resource_version() == "103");
}

TEST_CASE("a watch that adds more objects than a cluster can hold is ended, and the content asked for again") {
  Rig rig;
  std::vector<std::string> added;
  for (int i = 0; i < 150; ++i) {
    added.push_back(event("ADDED", object("a" + std::to_string(i), std::to_string(101 + i))));
  }
  rig.server.expect(kFirstList, 200, list("100", {}))
      .expect_watch(watch_from("100"), added)
      .expect(kList + "resourceVersion=201", 200, list("300", {object("a", "299")}))
      .expect_watch(watch_from("300"), {event("BOOKMARK", object("", "301"))});
  rig.run();
  CHECK(rig.informer.store().size() == 1);
  CHECK(rig.changes.size() == 101 + 101 + 1);
}

TEST_CASE("a bookmark moves the version and is never stored") {
  Rig rig;
  rig.server.expect(kFirstList, 200, list("100", {}))
      .expect_watch(watch_from("100"), {event("BOOKMARK", R"({"metadata":{"resourceVersion":"200"}})")});
  rig.run();
  CHECK(rig.informer.store().size() == 0);
  CHECK(rig.informer.last_seen_resource_version() == "200");
  CHECK_THAT(rig.server.requests().back().target, Catch::Contains("resourceVersion=200"));
}

TEST_CASE("a lost connection and silence resume the watch from the last version without a list") {
  const auto cause =
      GENERATE(StreamEnd::Cause::kBroken, StreamEnd::Cause::kIdleTimeout, StreamEnd::Cause::kEndOfStream);
  Rig rig;
  rig.server.expect(kFirstList, 200, list("100", {}))
      .expect_watch(watch_from("100"), {event("ADDED", object("a", "101"))}, cause)
      .expect_watch(watch_from("101"), {event("MODIFIED", object("a", "102"))}, cause);
  rig.run();
  CHECK(rig.counted("reflector_lists_total") == 1);
  CHECK(rig.clock.waits().empty());
}

TEST_CASE("an in-stream 410 leads to one list that finds the deletions") {
  Rig rig;
  rig.server.expect(kFirstList, 200, list("100", {object("a", "1"), object("b", "2")}))
      .expect_watch(watch_from("100"), {event("MODIFIED", object("a", "101")), event("ERROR", status(410, "Expired"))})
      .expect(kList + "resourceVersion=101", 200, list("300", {object("a", "101"), object("c", "200")}))
      .expect_watch(watch_from("300"), {event("BOOKMARK", object("", "301"))});
  rig.run();
  std::sort(rig.changes.begin() + 3, rig.changes.end());
  CHECK(Strings(rig.changes.begin() + 3, rig.changes.end()) == Strings{"+c@200", "-b@2"});
  CHECK(rig.clock.waits().empty());
}

TEST_CASE("a 410 by HTTP is handled as one in the stream") {
  Rig rig;
  rig.server.expect(kFirstList, 200, list("100", {}))
      .expect(watch_from("100"), 410, status(410, "Expired"))
      .expect(kList + "resourceVersion=100", 200, list("300", {}));
  rig.run();
  CHECK(rig.counted("reflector_lists_total") == 2);
}

TEST_CASE("an expired second page leads to a whole list, and nobody sees the half one") {
  Rig rig;
  rig.server.expect(kFirstList, 200, list("100", {object("half", "1")}, "c2"))
      .expect(kList + "limit=500&continue=c2", 410, status(410, "Expired"))
      .expect("GET /apis/example.com/v1/namespaces/ns/things?labelSelector=app%3Dx", 200,
              list("200", {object("a", "150")}));
  rig.run();
  CHECK(rig.changes == Strings{"+a@150!"});
}

TEST_CASE("429 with Retry-After at the start of a watch waits and keeps the version") {
  Rig rig;
  rig.server.expect(kFirstList, 200, list("100", {}))
      .expect(watch_from("100"), 429, status(429, "TooManyRequests"), {{"Retry-After", "17"}})
      .expect_watch(watch_from("100"), {event("ADDED", object("a", "101"))});
  rig.run();
  REQUIRE(rig.clock.waits().size() == 1);
  CHECK(rig.clock.waits()[0] == Duration(17s));
}

TEST_CASE("a refused connection is tried again with growing pauses, without a list") {
  Rig rig;
  rig.server.expect(kFirstList, 200, list("100", {}));
  for (int i = 0; i < 8; ++i) rig.server.expect_error(watch_from("100"), ErrorCode::kUnavailable);
  rig.run();
  const auto waits = rig.clock.waits();
  REQUIRE(waits.size() == 8);
  CHECK(waits[0] >= Duration(800ms));
  CHECK(waits[0] < Duration(1600ms));
  CHECK(waits[7] >= Duration(30s));
  CHECK(waits[7] < Duration(60s));
}

TEST_CASE("garbage in the stream ends the watch, which starts again from the last good version") {
  const std::string garbage = GENERATE("{", "x", R"({"type":"ADDED"})", R"({"type":"NEW","object":{}})", "\xff\xfe",
                                       R"({"type":"ADDED","object":{"metadata":{}}})");
  Rig rig;
  rig.server.expect(kFirstList, 200, list("100", {}))
      .expect_watch(watch_from("100"),
                    {event("ADDED", object("a", "101")), garbage, event("ADDED", object("x", "102"))})
      .expect_watch(watch_from("101"), {event("ADDED", object("b", "102"))});
  rig.run();
  CHECK(rig.changes == Strings{"+a@101", "+b@102"});
}

TEST_CASE("an object that cannot be read is left out, and the watch goes on") {
  Rig rig;
  rig.server.expect(kFirstList, 200, list("100", {object("a", "1"), object("b", "2", "bad")}))
      .expect_watch(watch_from("100"),
                    {event("MODIFIED", object("a", "101", "bad")), event("ADDED", object("c", "102"))});
  rig.run();
  CHECK(rig.changes == Strings{"+a@1!", "-a@1", "+c@102"});
  CHECK(rig.counted("reflector_undecodable_objects_total") == 2);
  CHECK(rig.informer.last_seen_resource_version() == "102");
}

TEST_CASE("pages that hold little and promise more are asked for ever more seldom") {
  Rig rig;
  rig.server.expect(kFirstList, 200, list("100", {}, "more"));
  for (int i = 0; i < 6; ++i)
    rig.server.expect(kList + "limit=500&continue=more", 200, list("100", {object("a", "1")}, i < 5 ? "more" : ""));
  rig.run();
  CHECK(rig.changes == Strings{"+a@1!"});
  CHECK(rig.clock.waits() == std::vector<Duration>{100ms, 200ms, 400ms});
}

TEST_CASE("a content of more objects than a cluster can hold is given up and asked for again after a pause") {
  const std::vector<std::string> page(51, object("a", "1"));
  Rig rig;
  rig.server.expect(kFirstList, 200, list("100", page, "more"))
      .expect(kList + "limit=500&continue=more", 200, list("100", page, "more"))
      .expect(kFirstList, 200, list("100", {object("b", "2")}));
  rig.run();
  CHECK(rig.changes == Strings{"+b@2!"});
  CHECK(rig.clock.waits().size() == 1);
}

TEST_CASE("a list that is broken JSON is tried again after a pause") {
  const auto* const broken = R"({"metadata":{"resourceVersion":"1"},"items":[{"metadata")";
  Rig rig;
  rig.server.expect(kFirstList, 200, broken)
      .expect(kFirstList, 403, status(403, "Forbidden"))
      .expect(kFirstList, 200, list("100", {object("a", "1")}));
  rig.run();
  CHECK(rig.changes == Strings{"+a@1!"});
  CHECK(rig.clock.waits().size() == 2);
}

TEST_CASE("a stop ends a list, a pause and a watch") {
  Rig rig;
  rig.informer.start();
  rig.server.wait_until_done();
  rig.informer.stop();
  CHECK_FALSE(rig.informer.has_synced());
}
