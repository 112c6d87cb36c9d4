#include "operator/kubernetes/watch_decoder.hpp"

#include <catch2/catch.hpp>
#include <vector>

using namespace imageclassifier;
using namespace imageclassifier::kubernetes;
using Type = WatchEvent::Type;

TEST_CASE("an event's type, object and version are read") {
  const auto event = decode_watch_event(
      R"({"type":"MODIFIED","object":{"kind":"Pod","metadata":{"name":"a","resourceVersion":"12"},"spec":{}}})");
  REQUIRE(event);
  CHECK(event->type == Type::kModified);
  CHECK(event->resource_version == "12");
  CHECK(event->object == R"({"kind":"Pod","metadata":{"name":"a","resourceVersion":"12"},"spec":{}})");
}

TEST_CASE("the members of an event may come in any order") {
  const auto event = decode_watch_event(R"({"object":{"metadata":{"resourceVersion":"1"}},"x":[],"type":"ADDED"})");
  REQUIRE(event);
  CHECK(event->type == Type::kAdded);
}

TEST_CASE("a bookmark may end the initial events") {
  const auto plain = decode_watch_event(R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9"}}})");
  REQUIRE(plain);
  CHECK_FALSE(plain->initial_events_end);
  const auto end = decode_watch_event(
      R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9","annotations":{"k8s.io/initial-events-end":"true"}}}})");
  REQUIRE(end);
  CHECK(end->initial_events_end);
}

TEST_CASE("an error event carries the server's Status") {
  const auto event = decode_watch_event(
      R"({"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}})");
  REQUIRE(event);
  CHECK(event->type == Type::kError);
  CHECK(is_expired(event->status));
  const auto odd = decode_watch_event(R"({"type":"ERROR","object":17})");
  REQUIRE(odd);
  CHECK(odd->status.code == 0);
}

TEST_CASE("what is no event is data loss") {
  const std::string line =
      GENERATE("", "x", "{}", R"({"type":"ADDED"})", R"({"type":"ODD","object":{}})",
               R"({"type":"ADDED","object":{"metadata":{"resourceVersion":7}}})",
               R"({"type":"ADDED","object":{"metadata":{"resourceVersion":"7a"}}})",
               R"({"type":"ADDED","object":{"metadata":{"resourceVersion":"700000000000000000000"}}})",
               R"({"type":"ADDED","object":{"metadata":{"resourceVersion":"7"}})");
  const auto event = decode_watch_event(line);
  REQUIRE_FALSE(event);
  CHECK(event.error().code == ErrorCode::kDataLoss);
}

TEST_CASE("a list's items, version and continuation are read") {
  std::vector<std::string> items;
  const auto page =
      decode_list(R"({"kind":"PodList","metadata":{"resourceVersion":"5","continue":"abc"},"items":[{"a":1},{"b":2}]})",
                  [&](std::string_view item) { items.emplace_back(item); });
  REQUIRE(page);
  CHECK(page->resource_version == "5");
  CHECK(page->continue_token == "abc");
  CHECK(page->items == 2);
  CHECK(items == std::vector<std::string>{R"({"a":1})", R"({"b":2})"});
}

TEST_CASE("an empty list may have null items; a broken one is data loss") {
  CHECK(decode_list(R"({"metadata":{"resourceVersion":"5"},"items":null})", [](auto) {}));
  CHECK_FALSE(decode_list(R"({"metadata":{"resourceVersion":"5"},"items":[{})", [](auto) {}));
  CHECK_FALSE(decode_list(R"({"metadata":{},"items":[]})", [](auto) {}));
  CHECK_FALSE(decode_list(R"({"metadata":{"resourceVersion":"-5"},"items":[]})", [](auto) {}));
  CHECK(decode_list(R"({"metadata":{"resourceVersion":"5","continue":"abc"},"items":[]})", [](auto) {}));
  CHECK_FALSE(decode_list("<html>", [](auto) {}));
}
