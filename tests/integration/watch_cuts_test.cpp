// Cuts of a watch after random bytes while objects come, change and go. IC_ROUNDS cuts (25) with the seed IC_SEED (1);
// the campaign watch_cuts runs many.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <iostream>
#include <random>
#include <set>
#include <string>

#include "tests/integration/followed.hpp"

using namespace imageclassifier;
using namespace imageclassifier::testing;

namespace {

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::stoull(text);
}

/// What was done to objects, or what was heard of it.
struct Events {
  std::set<std::string> versions;  ///< of additions and changes
  int removed = 0;
};

void change_something(ApiServer& server, const std::string& space, std::mt19937_64& random, Events& done) {
  const std::string name = "m" + std::to_string(random() % 20);
  if (random() % 4 == 0) {
    done.removed += server.client->remove(kConfigMaps, {space, name}, {}, {}).has_value();
  } else {
    done.versions.insert(apply_config_map(server, space, name, std::to_string(random())));
  }
}

}  // namespace

TEST_CASE("no event is lost over random cuts of the watch, and none of them leads to a list") {
  const std::uint64_t seed = setting("IC_SEED", 1);
  const std::uint64_t rounds = setting("IC_ROUNDS", 25);
  std::cout << "watch cuts: seed " << seed << ", " << rounds << " rounds" << std::endl;
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  ApiServer server;
  TestNamespace space(server);
  Followed followed(space.name(), "in-a-row=0,watch=cut:bytes=4000,seed=" + std::to_string(seed), quick());
  Events done, heard;
  followed.informer.add_handler([&](const auto& change) {
    if (change.after) heard.versions.insert(change.after->metadata.resource_version);
    heard.removed += !change.after;
  });
  followed.informer.start();
  REQUIRE(eventually([&] { return followed.informer.has_synced(); }));
  for (std::uint64_t compared = 0; followed.injected("cut") < rounds;) {
    for (int i = 0; i < 5; ++i) change_something(server, space.name(), random, done);
    if (followed.injected("cut") / 100 == compared) continue;
    compared = followed.injected("cut") / 100;
    REQUIRE(eventually([&] { return followed.cached() == listed(server, space.name()); }));
  }
  CHECK(eventually([&] { return followed.cached() == listed(server, space.name()); }));
  followed.informer.stop();
  // Not only the last state of each object: later writes would hide what was lost.
  CHECK(heard.versions == done.versions);
  CHECK(heard.removed == done.removed);
  CHECK(followed.counted("reflector_expired_total") == 0);
  CHECK(eventually([&] { return !audited(followed.agent, "list").empty(); }));
  CHECK(audited(followed.agent, "list").size() == 1);
}

TEST_CASE("what is garbled, doubled, delayed or answered with an error is repaired") {
  const std::uint64_t seed = setting("IC_SEED", 1);
  const std::uint64_t rounds = setting("IC_ROUNDS", 25);
  std::cout << "garbled lines: seed " << seed << ", " << rounds << " rounds" << std::endl;
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  ApiServer server;
  TestNamespace space(server);
  runtime::reflector::Options options = quick();
  options.stream_list = seed % 2 == 0;
  Followed followed(space.name(),
                    "watch=garble:0.1,watch=duplicate:0.1,watch=late:0.1:ms=0-5,any=reset:0.1,any=lose:0.1,"
                    "any=status:0.1:code=500,any=status:0.05:code=410,get=garble:0.2,get=stale:0.2,seed=" +
                        std::to_string(seed),
                    options);
  followed.informer.start();
  REQUIRE(eventually([&] { return followed.informer.has_synced(); }));
  const auto errors = [&] {
    std::uint64_t sum = 0;
    for (const auto& [name, count] : followed.faulty.injected()) sum += count;
    return sum;
  };
  Events done;
  while (errors() < rounds * 2) change_something(server, space.name(), random, done);
  // A garbled value inside an object is still JSON: only a later event of the object repairs it.
  for (int i = 0; i < 20; ++i) apply_config_map(server, space.name(), "m" + std::to_string(i), "end");
  CHECK(eventually([&] {
    change_something(server, space.name(), random, done);
    return followed.cached() == listed(server, space.name());
  }));
}
