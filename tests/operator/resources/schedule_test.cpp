#include "operator/resources/schedule.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "operator/api/time.hpp"
#include "operator/resources/scale.hpp"

using namespace imageclassifier;
using namespace imageclassifier::resources;
using nlohmann::json;

namespace {

api::Spec spec_of(const json& schedule, json rest = json::object()) {
  rest["image"] = "x";
  rest["schedule"] = schedule;
  return *api::parse_specification(rest);
}

json window(const json& days, const char* start, const char* end) {
  return {{"days", days}, {"start", start}, {"end", end}};
}

ScheduleState at(const char* time, const char* zone, const json& windows) {
  const api::Spec spec = spec_of({{"timeZone", zone}, {"windows", windows}});
  return *evaluate_schedule(*spec.schedule, *api::parse_rfc3339(time));
}

/// "open until 2026-01-31T17:00:00Z", "closed until ...".
std::string told(const ScheduleState& state) {
  return (state.open ? "open until " : "closed until ") +
         (state.next_change ? format_rfc3339(*state.next_change) : "for ever");
}

const json kWorkdays = {"Mon", "Tue", "Wed", "Thu", "Fri"};
const json kEveryDay = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};

}  // namespace

TEST_CASE("a window is open from its start to before its end, in its own time zone") {
  const json windows = {window(kWorkdays, "08:00", "18:30")};
  CHECK(told(at("2026-01-30T06:59:59Z", "Europe/Berlin", windows)) == "closed until 2026-01-30T07:00:00Z");
  CHECK(told(at("2026-01-30T07:00:00Z", "Europe/Berlin", windows)) == "open until 2026-01-30T17:30:00Z");
  CHECK(told(at("2026-01-30T17:30:00Z", "Europe/Berlin", windows)) == "closed until 2026-02-02T07:00:00Z");
  CHECK(told(at("2026-07-01T06:00:00Z", "Europe/Berlin", windows)) == "open until 2026-07-01T16:30:00Z");
}

TEST_CASE("a window whose end is not after its start ends on the next day, also over the week's end") {
  const json windows = {window({"Sun"}, "22:00", "06:00")};
  CHECK(told(at("2026-02-01T22:30:00Z", "UTC", windows)) == "open until 2026-02-02T06:00:00Z");
  CHECK(told(at("2026-02-02T05:59:59Z", "UTC", windows)) == "open until 2026-02-02T06:00:00Z");
  CHECK(told(at("2026-02-02T06:00:00Z", "UTC", windows)) == "closed until 2026-02-08T22:00:00Z");
}

TEST_CASE("windows that touch are one, and one that never closes never changes") {
  CHECK(told(at("2026-02-02T03:00:00Z", "UTC", json::array({window(kEveryDay, "00:00", "24:00")}))) ==
        "open until for ever");
  const json halves = {window({"Mon"}, "00:00", "12:00"), window({"Mon"}, "12:00", "24:00")};
  CHECK(told(at("2026-02-02T03:00:00Z", "UTC", halves)) == "open until 2026-02-03T00:00:00Z");
}

TEST_CASE("of overlapping windows the larger number of replicas counts, and its end is a change") {
  json day = window({"Mon"}, "08:00", "20:00"), noon = window({"Mon"}, "11:00", "13:00");
  noon["replicas"] = 5;
  const json windows = {day, noon};
  CHECK(at("2026-02-02T09:00:00Z", "UTC", windows).replicas == std::nullopt);
  CHECK(told(at("2026-02-02T09:00:00Z", "UTC", windows)) == "open until 2026-02-02T11:00:00Z");
  CHECK(at("2026-02-02T12:00:00Z", "UTC", windows).replicas == 5);
  CHECK(told(at("2026-02-02T12:00:00Z", "UTC", windows)) == "open until 2026-02-02T13:00:00Z");
}

TEST_CASE("a start that the change to summer time skips is the first time after the gap") {
  // On 2026-03-29 clocks in Berlin go from 02:00 to 03:00, which is 01:00 UTC.
  const json windows = {window({"Sun"}, "02:30", "05:00")};
  CHECK(told(at("2026-03-29T00:59:00Z", "Europe/Berlin", windows)) == "closed until 2026-03-29T01:00:00Z");
  CHECK(told(at("2026-03-29T01:00:00Z", "Europe/Berlin", windows)) == "open until 2026-03-29T03:00:00Z");
  // A window that lies in the gap altogether does not open.
  const json lost = {window({"Sun"}, "02:10", "02:50")};
  CHECK(!at("2026-03-29T01:00:00Z", "Europe/Berlin", lost).open);
}

TEST_CASE("a window over the hour that winter time repeats lasts for both") {
  // On 2026-10-25 clocks in Berlin go from 03:00 back to 02:00, which is 01:00 UTC.
  const json windows = {window({"Sun"}, "02:15", "02:45")};
  CHECK(told(at("2026-10-25T00:14:00Z", "Europe/Berlin", windows)) == "closed until 2026-10-25T00:15:00Z");
  CHECK(told(at("2026-10-25T00:50:00Z", "Europe/Berlin", windows)) == "open until 2026-10-25T01:45:00Z");
}

TEST_CASE("days are those of the time zone, half an hour's and a day's distance included") {
  const json windows = {window({"Mon"}, "00:00", "01:00")};
  CHECK(at("2026-02-01T10:30:00Z", "Pacific/Kiritimati", windows).open);
  CHECK(at("2026-02-01T18:45:00Z", "Asia/Kolkata", windows).open);
  CHECK(!at("2026-02-02T00:30:00Z", "Asia/Kolkata", windows).open);
}

TEST_CASE(
    "following the changes one by one meets every edge of a year once, and the state between them is as announced") {
  const json windows = {window(kWorkdays, "08:00", "18:30"), window({"Sat"}, "23:00", "03:00")};
  const api::Spec spec = spec_of({{"timeZone", "America/New_York"}, {"windows", windows}});
  WallTime now = *api::parse_rfc3339("2026-01-01T00:00:00Z");
  const WallTime end = *api::parse_rfc3339("2027-01-01T00:00:00Z");
  int changes = -1;  // the last one is of the next year
  while (now < end) {
    const ScheduleState state = *evaluate_schedule(*spec.schedule, now);
    REQUIRE(state.next_change);
    REQUIRE(*state.next_change > now);
    CHECK(evaluate_schedule(*spec.schedule, *state.next_change - std::chrono::seconds(1))->open == state.open);
    CHECK(evaluate_schedule(*spec.schedule, *state.next_change)->open != state.open);
    now = *state.next_change;
    ++changes;
  }
  CHECK(changes == 2 * (261 + 52));
}

TEST_CASE("a time zone that does not exist is an error that names it") {
  const api::Spec spec = spec_of({{"timeZone", "Europe/Atlantis"}, {"windows", {window({"Mon"}, "08:00", "09:00")}}});
  CHECK_THAT(evaluate_schedule(*spec.schedule, {}).error().message, Catch::Contains("Europe/Atlantis"));
  for (const char* name : {"", "../../etc/passwd", "Europe/", "posixrules/x"}) {
    CHECK(!evaluate_schedule({name, {}}, {}));
  }
}

TEST_CASE(
    "suspension goes before the schedule, the schedule before the autoscaler, and a window's replicas before the own") {
  const json schedule = {{"timeZone", "UTC"}, {"windows", {window({"Mon"}, "08:00", "20:00")}}};
  const WallTime open = *api::parse_rfc3339("2026-02-02T09:00:00Z"),
                 closed = *api::parse_rfc3339("2026-02-02T21:00:00Z");
  CHECK(wanted_scale(spec_of(schedule, {{"suspend", true}}), open).mode == Scale::Mode::kSuspended);
  const json autoscaled = {{"autoscaling", {{"minReplicas", 2}, {"maxReplicas", 4}}}};
  CHECK(wanted_scale(spec_of(schedule, autoscaled), closed).mode == Scale::Mode::kOutside);
  CHECK(wanted_scale(spec_of(schedule, autoscaled), open).mode == Scale::Mode::kAutoscaled);
  json peak = schedule;
  peak["windows"][0]["replicas"] = 7;
  CHECK(wanted_scale(spec_of(peak, {{"replicas", 2}}), open).replicas == 7);
  CHECK(wanted_scale(spec_of(schedule, {{"replicas", 2}}), open).replicas == 2);
}
