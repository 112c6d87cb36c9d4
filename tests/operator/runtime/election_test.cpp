#include "operator/runtime/election.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "operator/runtime/lease.hpp"

using namespace imageclassifier;
using namespace imageclassifier::runtime;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

const SteadyTime kStart{1000h};
const WallTime kWall{1767225600s};

Lease held_by(const std::string& holder, const std::string& renewed = "2026-01-01T00:00:00.000000Z",
              std::chrono::seconds duration = 15s) {
  Lease lease;
  lease.record.holder = holder;
  lease.record.duration = duration;
  lease.record.renew_time = renewed;
  lease.record.transitions = 4;
  lease.resource_version = "7";
  return lease;
}

}  // namespace

TEST_CASE("a lease that is missing, free or ours may be taken at once, a foreign one after its duration") {
  Election election("me", {});
  CHECK(election.may_take(kStart));
  election.saw(held_by(""), kStart);
  CHECK(election.may_take(kStart));
  election.saw(held_by("me"), kStart);
  CHECK(election.may_take(kStart));
  election.saw(held_by("you"), kStart);
  CHECK_FALSE(election.may_take(kStart + 14999ms));
  CHECK(election.may_take(kStart + 15s));
}

TEST_CASE("a foreign lease counts from when its last change was seen, whatever its wall times say") {
  Election election("me", {});
  election.saw(held_by("you", "1999-01-01T00:00:00.000000Z"), kStart);
  CHECK_FALSE(election.may_take(kStart + 1s));
  election.saw(held_by("you", "1999-01-01T00:00:00.000000Z"), kStart + 10s);
  CHECK(election.may_take(kStart + 15s));
  election.saw(held_by("you", "2999-01-01T00:00:00.000000Z"), kStart + 14s);
  CHECK_FALSE(election.may_take(kStart + 28s));
  CHECK(election.may_take(kStart + 29s));
}

TEST_CASE("the longer of two durations is waited for: the holder's and ours") {
  Election election("me", {});
  election.saw(held_by("you", "a", 60s), kStart);
  CHECK(election.expires() == kStart + 60s);
  election.saw(held_by("you", "b", 1s), kStart);
  CHECK(election.expires() == kStart + 15s);
}

TEST_CASE("a deleted lease is waited for as long as its leader may still write") {
  Election election("me", {});
  election.saw(held_by("you"), kStart);
  election.saw_none();
  CHECK_FALSE(election.may_take(kStart + 14s));
  CHECK(election.may_take(kStart + 15s));
}

TEST_CASE("writes are allowed from the sending of a stored renewal for the renew deadline") {
  Election election("me", {});
  CHECK_FALSE(election.valid_until());
  election.wrote(held_by("me"), kStart);
  CHECK(election.valid_until() == kStart + 10s);
  election.saw(held_by("you"), kStart + 1s);
  CHECK_FALSE(election.valid_until());
  election.wrote(held_by(""), kStart + 2s);
  CHECK_FALSE(election.valid_until());
}

TEST_CASE("reading our own name from an earlier write allows no writes until a renewal is stored") {
  Election election("me", {});
  election.saw(held_by("me"), kStart);
  CHECK(election.may_take(kStart));
  CHECK_FALSE(election.valid_until());
}

TEST_CASE("a claim keeps what belongs to the term and counts changes of leadership") {
  Election election("me", {});
  CHECK(election.claim(kWall).transitions == 0);
  election.saw(held_by("you"), kStart);
  const LeaseRecord taken = election.claim(kWall);
  CHECK(taken.holder == "me");
  CHECK(taken.transitions == 5);
  CHECK(taken.duration == 15s);
  CHECK(taken.acquire_time == "2026-01-01T00:00:00.000000Z");
  Lease ours = held_by("me");
  ours.record = taken;
  election.wrote(ours, kStart);
  const LeaseRecord renewed = election.claim(kWall + 2s);
  CHECK(renewed.transitions == 5);
  CHECK(renewed.acquire_time == "2026-01-01T00:00:00.000000Z");
  CHECK(renewed.renew_time == "2026-01-01T00:00:02.000000Z");
  CHECK(election.release(kWall).holder.empty());
  CHECK(election.release(kWall).duration == 1s);
}

TEST_CASE("a timing that could lead to two leaders is refused with the rule") {
  CHECK(LeaseTiming{}.check());
  CHECK(LeaseTiming{10s, 10s, 2s}.check().error().message.find("lease duration") != std::string::npos);
  CHECK(LeaseTiming{15s, 2s, 2s}.check().error().message.find("1.2 retry") != std::string::npos);
  CHECK_FALSE(LeaseTiming{15s, 10s, 0s}.check());
  CHECK_FALSE(LeaseTiming{900ms, 500ms, 100ms}.check());
}

TEST_CASE("a lease keeps the members that we do not know over our writes") {
  const auto lease = parse_lease(
      R"({"metadata":{"name":"x","resourceVersion":"7","labels":{"a":"b"},"managedFields":[{}]},
          "spec":{"holderIdentity":"you","leaseDurationSeconds":15,"leaseTransitions":3,"strategy":"OldestEmulationVersion"}})");
  REQUIRE(lease);
  CHECK(lease->record.holder == "you");
  CHECK(lease->record.duration == 15s);
  LeaseRecord record = lease->record;
  record.holder = "me";
  const json body = json::parse(with_record(*lease, record));
  CHECK(body["metadata"]["labels"]["a"] == "b");
  CHECK(body["metadata"]["resourceVersion"] == "7");
  CHECK_FALSE(body["metadata"].contains("managedFields"));
  CHECK(body["spec"]["strategy"] == "OldestEmulationVersion");
  CHECK(body["spec"]["holderIdentity"] == "me");
  CHECK(body["spec"]["leaseTransitions"] == 3);
}

TEST_CASE("a damaged lease counts as free, what is no object is refused") {
  CHECK_FALSE(parse_lease(""));
  CHECK_FALSE(parse_lease("[]"));
  CHECK_FALSE(parse_lease(R"({"metadata":{}})"));
  for (const char* spec : {"null", "[]", R"({"holderIdentity":5,"leaseDurationSeconds":"x","leaseTransitions":1e99})",
                           R"({"leaseDurationSeconds":-5})"}) {
    const auto lease = parse_lease(std::string(R"({"metadata":{"resourceVersion":"1"},"spec":)") + spec + "}");
    REQUIRE(lease);
    CHECK(lease->record == LeaseRecord{});
    CHECK(json::parse(with_record(*lease, held_by("me").record))["spec"]["holderIdentity"] == "me");
  }
}
