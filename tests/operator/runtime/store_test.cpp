#include "operator/runtime/store.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "tests/operator/runtime/thing.hpp"

using namespace imageclassifier::runtime;
using testing_types::make_thing;
using testing_types::Thing;

TEST_CASE("an object is found by its key and by its owner's uid") {
  Store<Thing> store;
  store.upsert(make_thing("b", "1", "uid-b", "owner"));
  store.upsert(make_thing("a", "2", "uid-a", "owner"));
  store.upsert(make_thing("c", "3", "uid-c", ""));
  REQUIRE(store.get({"ns", "a"}));
  CHECK(store.get({"ns", "a"})->metadata.uid == "uid-a");
  CHECK_FALSE(store.get({"ns", "z"}));
  const auto owned = store.owned_by("owner");
  REQUIRE(owned.size() == 2);
  CHECK(owned[0]->metadata.name == "a");
  CHECK(store.owned_by("").empty());
  CHECK(store.list().size() == 3);
}

TEST_CASE("a change tells before and after; the old object stays as it was") {
  Store<Thing> store;
  const auto added = store.upsert(make_thing("a", "1"));
  REQUIRE(added.size() == 1);
  CHECK_FALSE(added[0].before);
  const auto old = store.get({"ns", "a"});
  const auto changed = store.upsert(make_thing("a", "2"));
  REQUIRE(changed.size() == 1);
  CHECK(changed[0].before == old);
  CHECK(changed[0].after->metadata.resource_version == "2");
  CHECK(old->metadata.resource_version == "1");
}

TEST_CASE("the same version again is no change") {
  Store<Thing> store;
  store.upsert(make_thing("a", "1"));
  CHECK(store.upsert(make_thing("a", "1")).empty());
}

TEST_CASE("an object with another uid is a deletion and an addition") {
  Store<Thing> store;
  store.upsert(make_thing("a", "1", "first", "one"));
  const auto changes = store.upsert(make_thing("a", "2", "second", "two"));
  REQUIRE(changes.size() == 2);
  CHECK_FALSE(changes[0].after);
  CHECK_FALSE(changes[1].before);
  CHECK(store.owned_by("one").empty());
  CHECK(store.owned_by("two").size() == 1);
}

TEST_CASE("a removal carries the last state and frees the owner's index") {
  Store<Thing> store;
  store.upsert(make_thing("a", "1", "uid", "owner"));
  const auto changes = store.remove({"ns", "a"}, make_thing("a", "9", "uid", "owner"));
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].before->metadata.resource_version == "9");
  CHECK_FALSE(changes[0].after);
  CHECK(store.owned_by("owner").empty());
  CHECK(store.remove({"ns", "a"}).empty());
}

TEST_CASE("a replacement reports additions, changes and deletions, and nothing for the unchanged") {
  Store<Thing> store;
  store.replace({make_thing("same", "1"), make_thing("changed", "1"), make_thing("gone", "1", "g", "owner")});
  const auto changes = store.replace({make_thing("same", "1"), make_thing("changed", "2"), make_thing("new", "3")});
  REQUIRE(changes.size() == 3);
  int added = 0, modified = 0, deleted = 0;
  for (const auto& change : changes) {
    added += !change.before;
    deleted += !change.after;
    modified += change.before && change.after;
  }
  CHECK(added == 1);
  CHECK(modified == 1);
  CHECK(deleted == 1);
  CHECK(store.size() == 3);
  CHECK(store.owned_by("owner").empty());
}

TEST_CASE("readers see a replacement as a whole or not at all") {
  Store<Thing> store;
  const auto generation = [](const std::string& version) {
    std::vector<Store<Thing>::Object> objects;
    for (int i = 0; i < 20; ++i) objects.push_back(make_thing("o" + std::to_string(i), version));
    return objects;
  };
  store.replace(generation("0"));
  std::atomic<bool> mixed{false};
  {
    std::jthread reader([&](std::stop_token stop) {
      while (!stop.stop_requested()) {
        const auto all = store.list();
        for (const auto& object : all) {
          if (object->metadata.resource_version != all.front()->metadata.resource_version) mixed = true;
        }
        if (all.size() != 20) mixed = true;
      }
    });
    for (int i = 1; i < 200; ++i) store.replace(generation(std::to_string(i)));
  }
  CHECK_FALSE(mixed);
}
