#include "operator/reconciler/mounted.hpp"

#include <catch2/catch.hpp>

#include "tests/operator/reconciler/fixtures.hpp"

using namespace imageclassifier;
using namespace imageclassifier::reconciler;
using namespace imageclassifier::reconciler::testing;
using resources::Reference;

namespace {

constexpr const char* kLabels = R"({"model": {"labels": {"configMapKeyRef": {"name": "words", "key": "german.txt"}}}})";
constexpr const char* kVolume =
    R"({"model": {"source": {"persistentVolumeClaim": {"claimName": "models", "path": "/own.safetensors"}}}})";

std::string problem(const World& world) {
  const auto finding = unusable_reference(world.observed);
  return finding ? std::string(finding->name()) + ": " + finding->message : "";
}

World& refer(World& world, Reference::Kind kind, const std::string& name, const ObservedReference& object) {
  world.observed.references[{kind, name}] = object;
  return world;
}

}  // namespace

TEST_CASE("an object that pods would mount and that is not there is named, with the field that names it") {
  CHECK(problem(World()).empty());
  CHECK(problem(World(kLabels)) ==
        "ConfigMapNotFound: ConfigMap words, which spec.model.labels names, does not exist in namespace zoo.");
  CHECK(problem(World(kVolume)).starts_with("VolumeClaimNotFound: PersistentVolumeClaim models"));
}

TEST_CASE("a ConfigMap must hold the key, a claim just be there") {
  World labels(kLabels), volume(kVolume);
  CHECK(problem(refer(labels, Reference::Kind::kConfigMap, "words", {{}, {"english.txt"}})) ==
        "ConfigMapMalformed: ConfigMap words has no key german.txt, which spec.model.labels names.");
  CHECK(problem(refer(labels, Reference::Kind::kConfigMap, "words", {{}, {"german.txt"}})).empty());
  CHECK(problem(refer(volume, Reference::Kind::kPersistentVolumeClaim, "models", {})).empty());
}

TEST_CASE("an object that may not be read is told in the server's words") {
  World world(kLabels);
  CHECK(problem(refer(world, Reference::Kind::kConfigMap, "words", {"cannot get resource", {}}))
            .starts_with("ReadForbidden: The operator may not read ConfigMap words"));
}

TEST_CASE("nothing is started before what it mounts is there, and what runs is kept") {
  World world(kLabels);
  CHECK(summary(make_plan(world.observed, kNow)).empty());
  refer(world, Reference::Kind::kConfigMap, "words", {{}, {"german.txt"}}).settle();
  REQUIRE(world.observed.deployment);
  world.deployment_status(1, 1, 1).observed.references.clear();
  const Plan plan = make_plan(world.observed, kNow);
  CHECK(plan.actions.empty());
  CHECK(plan.unusable_reference->name() == "ConfigMapNotFound");
}
