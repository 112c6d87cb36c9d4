#include "operator/runtime/event_aggregator.hpp"

#include <catch2/catch.hpp>
#include <set>

#include "tests/operator/runtime/events.hpp"

using namespace imageclassifier;
using namespace imageclassifier::runtime;
using namespace std::chrono_literals;
using testing_types::note;
using Verdict = EventAggregator::Verdict;

namespace {

/// An aggregator in a time of its own.
struct Timeline {
  explicit Timeline(EventAggregator::Options options = {}) : aggregator(options) {}

  EventAggregator::Decision record(Event event) { return aggregator.record(std::move(event), now, wall()); }
  std::vector<EventWrite> due() { return aggregator.due(now); }
  WallTime wall() const { return WallTime(1767225600s) + (now - SteadyTime(1h)); }

  EventAggregator aggregator;
  SteadyTime now{1h};
};

}  // namespace

TEST_CASE("the first occurrence is made, the second becomes a series, further ones are only counted") {
  Timeline line;
  const auto first = line.record(note("a"));
  CHECK(first.verdict == Verdict::kWrite);
  CHECK(first.write.count == 1);
  line.now += 1s;
  const auto second = line.record(note("a"));
  CHECK(second.verdict == Verdict::kWrite);
  CHECK(second.write.count == 2);
  CHECK(second.write.name == first.write.name);
  CHECK(second.write.first_seen == first.write.first_seen);
  CHECK(second.write.last_seen == first.write.first_seen + 1s);
  for (int i = 0; i < 100; ++i) CHECK(line.record(note("a")).verdict == Verdict::kCounted);
  CHECK(line.due().empty());
}

TEST_CASE("a series that goes on is written every thirty minutes") {
  Timeline line;
  line.record(note("a"));
  line.record(note("a"));
  const SteadyTime written = line.now;
  for (int minute = 0; minute < 29; ++minute) {
    line.now += 1min;
    line.record(note("a"));
    CHECK(line.due().empty());
  }
  CHECK(line.aggregator.next_due() == written + 30min);
  line.now += 1min;
  const auto writes = line.due();
  REQUIRE(writes.size() == 1);
  CHECK(writes[0].count == 31);
  CHECK(writes[0].last_seen == line.wall() - 1min);
  CHECK(line.due().empty());
}

TEST_CASE(
    "six minutes after its last occurrence a series ends: its count is written and the next one is a new object") {
  Timeline line;
  const auto first = line.record(note("a"));
  for (int i = 0; i < 4; ++i) line.record(note("a"));
  CHECK(line.aggregator.next_due() == line.now + 6min);
  line.now += 6min;
  const auto writes = line.due();
  REQUIRE(writes.size() == 1);
  CHECK(writes[0].count == 5);
  CHECK_FALSE(line.aggregator.next_due());
  const auto next = line.record(note("a"));
  CHECK(next.write.count == 1);
  CHECK(next.write.name != first.write.name);
}

TEST_CASE("what was seen once, or whose count is written, ends without another write") {
  Timeline line;
  line.record(note("once"));
  line.record(note("twice"));
  line.record(note("twice"));
  line.now += 6min;
  CHECK(line.due().empty());
  CHECK_FALSE(line.aggregator.next_due());
}

TEST_CASE("an ended series that is seen again before anybody looked is written first") {
  Timeline line;
  for (int i = 0; i < 3; ++i) line.record(note("a"));
  line.now += 7min;
  CHECK(line.record(note("a")).write.count == 1);
  CHECK(line.aggregator.next_due() <= line.now);
  const auto writes = line.due();
  REQUIRE(writes.size() == 1);
  CHECK(writes[0].count == 3);
}

TEST_CASE("events that differ in anything are told apart") {
  Event other_type = note("a"), other_reason = note("a"), other_action = note("a"), other_object = note("a"),
        other_uid = note("a"), other_related = note("a");
  other_type.type = EventType::kWarning;
  other_reason.reason = "Other";
  other_action.action = "Other";
  other_object.regarding.name = "other";
  other_uid.regarding.uid = "other";
  other_related.related = ObjectReference{"v1", "Service", "zoo", "pets", ""};
  Timeline line;
  std::set<std::string> names;
  for (const Event& event :
       {note("a"), note("b"), other_type, other_reason, other_action, other_object, other_uid, other_related}) {
    const auto decision = line.record(event);
    CHECK(decision.write.count == 1);
    names.insert(decision.write.name);
  }
  CHECK(names.size() == 8);
}

TEST_CASE("names are those of the object with nanoseconds, different within one nanosecond too") {
  Timeline line;
  CHECK(line.record(note("a")).write.name == "pets.18867251edfa0000");
  CHECK(line.record(note("b")).write.name == "pets.18867251edfa0001");
  Event odd = note("a");
  odd.regarding.name = "system:node";
  CHECK(line.record(odd).write.name.size() == 36);
  odd.regarding.name = std::string(250, 'a');
  CHECK(line.record(odd).write.name.size() == 36);
}

TEST_CASE("about one object twenty-five writes come at once, then one every five minutes") {
  Timeline line;
  int written = 0, suppressed = 0;
  const auto burst = [&](const std::string& prefix) {
    for (int i = 0; i < 1000; ++i) {
      const Verdict verdict = line.record(note(prefix + std::to_string(i))).verdict;
      written += verdict == Verdict::kWrite;
      suppressed += verdict == Verdict::kSuppressed;
    }
  };
  burst("a");
  CHECK(written == 25);
  CHECK(suppressed == 975);
  line.now += 10min;
  burst("b");
  CHECK(written == 27);
  Event other = note("a");
  other.regarding.uid = "other";
  CHECK(line.record(other).verdict == Verdict::kWrite);
  line.now += 48h;
  written = 0;
  burst("c");
  CHECK(written == 25);
}

TEST_CASE("what the limit holds back of a series is counted and written at its end") {
  EventAggregator::Options options;
  options.burst = 1;
  Timeline line(options);
  line.record(note("a"));
  CHECK(line.record(note("a")).verdict == Verdict::kCounted);
  line.now += 6min;
  const auto writes = line.due();
  REQUIRE(writes.size() == 1);
  CHECK(writes[0].count == 2);
}

TEST_CASE("both tables are bounded: what was not seen for longest makes room, its count written") {
  EventAggregator::Options options;
  options.maximum_series = 2;
  options.maximum_objects = 1;
  Timeline line(options);
  for (int i = 0; i < 3; ++i) line.record(note("a"));
  line.record(note("b"));
  line.record(note("a"));
  CHECK(line.record(note("c")).write.count == 1);  // in place of b
  CHECK(line.due().empty());
  CHECK(line.record(note("a")).verdict == Verdict::kCounted);
  line.record(note("d"));
  line.record(note("e"));
  const auto writes = line.due();
  REQUIRE(writes.size() == 1);
  CHECK(writes[0].event.note == "a");
  CHECK(writes[0].count == 5);
}

TEST_CASE("at the end every count that the server has not is given out, once") {
  Timeline line;
  line.record(note("once"));
  for (int i = 0; i < 3; ++i) line.record(note("a"));
  const auto writes = line.aggregator.flush();
  REQUIRE(writes.size() == 1);
  CHECK(writes[0].count == 3);
  CHECK(line.aggregator.flush().empty());
}
