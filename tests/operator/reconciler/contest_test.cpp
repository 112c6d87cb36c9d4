#include "operator/reconciler/contest.hpp"

#include <catch2/catch.hpp>

using namespace imageclassifier;
using namespace imageclassifier::reconciler;
using namespace std::chrono_literals;

namespace {

const runtime::ObjectKey kPets{"zoo", "pets"};

resources::Manifest deployment(const std::string& hash) {
  resources::Manifest manifest;
  manifest.name = "pets";
  manifest.hash = hash;
  return manifest;
}

/// Somebody who changes the child every 100 ms for `length`: how often it was written.
int fight(Contest& contest, const resources::Manifest& manifest, SteadyTime& now, Duration length) {
  int writes = 0;
  for (const SteadyTime end = now + length; now < end; now += 100ms) {
    if (contest.must_wait(kPets, manifest, now) > Duration::zero()) continue;
    contest.written(kPets, manifest, "spec.replicas differs", now);
    ++writes;
  }
  return writes;
}

}  // namespace

TEST_CASE("the first repairs are done at once, then ever more seldom, and the resource says why") {
  Contest contest({});
  SteadyTime now{};
  CHECK(fight(contest, deployment("a"), now, 700ms) == 7);
  CHECK(contest.findings(kPets, now).empty());
  // 2, 4, 8, 16 and then 30 seconds.
  CHECK(fight(contest, deployment("a"), now, 10min) == 1 + 4 + 18);
  const auto findings = contest.findings(kPets, now);
  REQUIRE(findings.size() == 1);
  CHECK(findings.front().name() == "FieldContested");
  CHECK(findings.front().object == "Deployment pets");
  CHECK_THAT(findings.front().message, Catch::Contains("spec.replicas differs"));
  CHECK(contest.findings({"zoo", "dogs"}, now).empty());
}

TEST_CASE("a contest is over after a calm minute, and a child that is to be something else starts anew") {
  Contest contest({});
  SteadyTime now{};
  fight(contest, deployment("a"), now, 30s);
  CHECK(contest.must_wait(kPets, deployment("a"), now) > Duration::zero());
  CHECK(contest.must_wait(kPets, deployment("b"), now) == Duration::zero());
  now += 59s;
  CHECK(contest.findings(kPets, now).size() == 1);
  now += 2s;
  CHECK(contest.findings(kPets, now).empty());
  CHECK(contest.must_wait(kPets, deployment("a"), now) == Duration::zero());
  CHECK(fight(contest, deployment("a"), now, 800ms) == 8);
}
