#include "operator/runtime/event_object.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/operator/runtime/events.hpp"

using namespace imageclassifier;
using namespace imageclassifier::runtime;
using namespace std::chrono_literals;
using nlohmann::json;
using testing_types::note;

namespace {

const EventSource kSource{"thing-controller", "thing-controller-host"};

EventWrite write_of(Event event, std::int64_t count = 1) {
  const WallTime first = WallTime(1767225600s) + 1234567ns;
  return {std::move(event), "pets.1", first, first + 90s, count};
}

json object_of(const Event& event) {
  return json::parse(event_object(write_of(event), kSource));
}

}  // namespace

TEST_CASE("an event becomes an object of events.k8s.io/v1 with six digits of a second and nothing deprecated") {
  Event event = note("It happened.");
  event.type = EventType::kWarning;
  event.related = ObjectReference{"v1", "Service", "zoo", "pets", ""};
  CHECK(object_of(event) == json::parse(R"({
    "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "pets.1", "namespace": "zoo"},
    "eventTime": "2026-01-01T00:00:00.001234Z", "type": "Warning", "reason": "Happened", "action": "Do",
    "reportingController": "thing-controller", "reportingInstance": "thing-controller-host", "note": "It happened.",
    "regarding": {"apiVersion": "example.com/v1", "kind": "Thing", "namespace": "zoo", "name": "pets", "uid": "u1"},
    "related": {"apiVersion": "v1", "kind": "Service", "namespace": "zoo", "name": "pets"}})"));
}

TEST_CASE("what was seen more than once carries its series, and only that is patched") {
  const json series = {{"count", 3}, {"lastObservedTime", "2026-01-01T00:01:30.001234Z"}};
  CHECK(json::parse(event_object(write_of(note("a"), 3), kSource))["series"] == series);
  CHECK(json::parse(series_patch(write_of(note("a"), 3))) == json({{"series", series}}));
}

TEST_CASE("events of cluster-scoped objects stand in the namespace default") {
  Event event = note("a");
  event.regarding.namespace_name = "";
  const json object = object_of(event);
  CHECK(object["metadata"]["namespace"] == "default");
  CHECK_FALSE(object["regarding"].contains("namespace"));
}

TEST_CASE("reason, action and instance are cut to 128 bytes and the note to 1024, between characters") {
  Event event = note("");
  event.reason = std::string(200, 'r');
  event.action = std::string(128, 'a');
  for (int i = 0; i < 500; ++i) event.note += "\u20ac";  // three bytes each
  const json object = json::parse(event_object(write_of(event), {"thing-controller", std::string(300, 'i')}));
  CHECK(object["reason"] == std::string(125, 'r') + "...");
  CHECK(object["action"] == event.action);
  CHECK(object["reportingInstance"].get<std::string>().size() == 128);
  const auto text = object["note"].get<std::string>();
  CHECK(text.size() == 340 * 3 + 3);
  CHECK(text == event.note.substr(0, 340 * 3) + "...");
}

TEST_CASE("a note that is not UTF-8 stays within the limit") {
  const std::string text = object_of(note("a\xFF" + std::string(2000, '\xFE') + "z"))["note"];
  CHECK(text.size() <= 1024);
  CHECK(text.front() == 'a');
}

TEST_CASE("text is cut between characters and only if it is too long") {
  const std::string euros = "\u20ac\u20ac\u20ac";
  CHECK(cut_text(euros, 9) == euros);
  CHECK(cut_text(euros, 8) == "\u20ac...");
  CHECK(cut_text(euros, 5) == "...");
}
