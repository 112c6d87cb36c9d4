#include "operator/reconciler/rollout.hpp"

#include <rapidcheck.h>
#include <algorithm>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "operator/reconciler/events.hpp"
#include "operator/reconciler/status.hpp"
#include "tests/operator/reconciler/cluster.hpp"

using namespace imageclassifier;
using namespace imageclassifier::reconciler;
using namespace imageclassifier::reconciler::testing;
using nlohmann::json;

TEST_CASE("a revision that is rolled out is the last good one, and nothing is left to do") {
  const Cluster cluster = serving();
  const api::Status& status = cluster.observed.classifier.status;
  CHECK(cluster.marks_of("good").completed == 1);
  CHECK(status.last_good_revision == status.update_revision);
  CHECK(status.current_revision == status.update_revision);
  CHECK(cluster.state("RolledBack") == "False/NotRolledBack");
  CHECK(cluster.planned().empty());
}

TEST_CASE("a revision that fails is marked first and left then; its cause and the way out are told") {
  Cluster cluster = serving();
  const std::string good = cluster.observed.deployment->metadata.pod_revision;
  cluster.image("bad").settle(1).roll();
  CHECK(cluster.running_image() == "bad");
  CHECK(cluster.planned() == "apply ControllerRevision");
  CHECK(needs_live_reads(make_plan(cluster.observed, kNow)));
  cluster.settle(1);
  CHECK_FALSE(cluster.marks_of("bad").failure.empty());
  CHECK(cluster.planned() == "apply Deployment pets");
  cluster.live();
  CHECK(cluster.running_image() == "good");
  CHECK(cluster.state("RolledBack") == "True/ModelInvalid");
  CHECK(cluster.state("Ready") == "False/ModelInvalid");
  CHECK(cluster.state("Stalled") == "True/RolledBack");
  CHECK(cluster.state("Reconciling") == "False/Stable");
  CHECK(cluster.state("WorkloadAvailable") == "True/Available");
  const api::Status& status = cluster.observed.classifier.status;
  const std::string message = api::find_condition(status.conditions, "Ready")->message;
  CHECK(
      message ==
      "Revision " + status.update_revision + " (" + kServer + "bad) failed, and the last good one, " + good +
          ", runs in its place: The model file cannot be used: it is cut short. Use a model file of the stated "
          "architecture; check spec.model.source. What is changed, or pushed under a tag that spec.registry.tagRefresh "
          "follows, is rolled out at once; to try the same again, delete ControllerRevision " +
          status.update_revision + ".");
  CHECK(status.last_good_revision == good);
  CHECK(status.current_revision == good);
}

TEST_CASE("what has failed is not tried again, whatever else changes") {
  Cluster cluster = serving();
  cluster.image("bad").live();
  CHECK(cluster.planned().empty());
  cluster.observed.classifier.spec.replicas = 3;
  cluster.observed.classifier.spec.service.port = 8080;
  cluster.live();
  CHECK(cluster.running_image() == "good");
  CHECK(cluster.observed.deployment->replicas == 3);
  cluster.show({});
  cluster.live();
  CHECK(cluster.running_image() == "good");
  CHECK(cluster.state("RolledBack") == "True/ModelInvalid");
}

TEST_CASE("another specification is rolled out, and one that failed before may be tried again after it") {
  Cluster cluster = serving();
  cluster.image("bad").live();
  cluster.image("better").live();
  CHECK(cluster.running_image() == "better");
  CHECK(cluster.state("RolledBack") == "False/NotRolledBack");
  CHECK(cluster.marks_of("bad").failure.empty());
  CHECK(cluster.marks_of("better").completed > cluster.marks_of("good").completed);
  cluster.image("bad").settle(1);
  CHECK(cluster.running_image() == "bad");
}

TEST_CASE("templates are read of what runs, if it is not what is wanted, and of failed and good ones; of no other") {
  Cluster cluster = serving();
  const std::string good = cluster.observed.deployment->metadata.pod_revision;
  CHECK(needed_templates(cluster.observed).empty());
  cluster.image("bad");
  CHECK(needed_templates(cluster.observed) == std::vector{good});
  cluster.live();
  const auto rolled_back = needed_templates(cluster.observed);
  CHECK(std::set(rolled_back.begin(), rolled_back.end()) == std::set{good});
  const std::string bad = cluster.observed.classifier.status.update_revision;
  cluster.image("better");
  const auto needed = needed_templates(cluster.observed);
  CHECK(std::set(needed.begin(), needed.end()) == std::set{good, bad});
  cluster.live();
  CHECK(needed_templates(cluster.observed).empty());
}

TEST_CASE("back to the specification that runs, nothing restarts") {
  Cluster cluster = serving();
  cluster.image("bad").live();
  cluster.image("good");
  CHECK(cluster.planned() == "apply ControllerRevision, apply ControllerRevision");
  cluster.live();
  CHECK(cluster.state("RolledBack") == "False/NotRolledBack");
  CHECK(cluster.planned().empty());
}

TEST_CASE("deleting the revision that failed tries it again") {
  Cluster cluster = serving();
  cluster.image("bad").live();
  std::erase_if(cluster.observed.revisions, [](const auto& known) { return !known->marks.failure.empty(); });
  CHECK(cluster.planned() == "create ControllerRevision, apply Deployment pets");
}

TEST_CASE("deleting the good revision that runs does not bring back the one that failed") {
  Cluster cluster = serving();
  cluster.image("bad").live();
  REQUIRE(cluster.running_image() == "good");
  const std::string good = cluster.observed.deployment->metadata.pod_revision;
  std::erase_if(cluster.observed.revisions, [&](const auto& revision) { return revision->metadata.name == good; });
  cluster.observed.templates.erase(good);
  cluster.live();
  CHECK(cluster.running_image() == "good");
  CHECK(cluster.state("RolledBack") == "True/ModelInvalid");
  cluster.observed.classifier.spec.replicas = 3;
  CHECK_THAT(cluster.planned(), Catch::Contains("scale Deployment pets") && !Catch::Contains("apply Deployment"));
  cluster.observed.classifier.spec.suspend = true;
  CHECK_THAT(cluster.planned(), Catch::Contains("scale Deployment pets") && !Catch::Contains("apply Deployment"));
  cluster.observed.classifier.spec.suspend = false;
  cluster.observed.classifier.spec.replicas = 1;
  cluster.image("better").live();
  CHECK(cluster.running_image() == "better");
}

TEST_CASE("a restored revision that fails too is not left for another") {
  Cluster cluster = serving();
  cluster.image("better").live();
  cluster.image("bad").live();
  REQUIRE(cluster.running_image() == "better");
  cluster.observed.pods.clear();
  auto crashing = std::make_shared<api::Pod>();
  crashing->metadata.owner_uid = cluster.observed.deployment->metadata.pod_revision;
  crashing->containers.emplace_back().waiting_reason = "CrashLoopBackOff";
  cluster.observed.pods.push_back(crashing);
  cluster.deployment_status(1, 1, 0);
  CHECK(cluster.planned().empty());
}

TEST_CASE("without a good revision, or with autoRollback false, the wanted one stays") {
  Cluster first;
  first.image("bad").live();
  CHECK(first.running_image() == "bad");
  CHECK(first.state("RolledBack") == "False/NotRolledBack");
  Cluster manual = serving(R"({"rollout": {"autoRollback": false}})");
  manual.image("bad").live();
  CHECK(manual.running_image() == "bad");
  CHECK(manual.marks_of("bad").failure.empty());
}

TEST_CASE("a rollback is undone where autoRollback is taken back") {
  Cluster cluster = serving();
  cluster.image("bad").live();
  cluster.observed.classifier.spec.rollout.auto_rollback = false;
  cluster.live();
  CHECK(cluster.running_image() == "bad");
  CHECK(cluster.marks_of("bad").failure.empty());
}

TEST_CASE("a progress deadline counts if it is that of the wanted revision's own ReplicaSet") {
  Cluster cluster = serving();
  cluster.image("slow").settle(1).roll();
  const std::string name = cluster.observed.deployment->metadata.pod_revision;
  cluster.deployment_status(2, 1, 1);
  cluster.observed.pods.clear();
  cluster.progressing("False", R"(ReplicaSet "pets-older" has timed out progressing.)");
  CHECK(cluster.planned().empty());
  cluster.progressing("False", "ReplicaSet \"" + name + "\" has timed out progressing.");
  CHECK(cluster.planned() == "apply ControllerRevision");
  cluster.live();
  CHECK(cluster.running_image() == "good");
  CHECK(cluster.state("RolledBack") == "True/ProgressDeadlineExceeded");
}

TEST_CASE("a revision is not blamed for the pods of an earlier one while the cache of ReplicaSets is old") {
  Cluster cluster = serving();
  cluster.image("bad").settle(1).roll();
  const auto replica_sets = cluster.observed.replica_sets;
  const auto pods = cluster.observed.pods;
  cluster.image("better").settle(1).roll();
  cluster.deployment_status(2, 1, 1);
  cluster.observed.replica_sets = replica_sets;
  cluster.observed.pods = pods;
  CHECK(cluster.planned().empty());
}

TEST_CASE("another template of a specification that failed is not tried, of one that was good once it is") {
  Cluster cluster = serving();
  cluster.image("bad").live();
  // As if the operator were updated: it builds another template of the same.
  for (auto& known : cluster.observed.revisions) {
    if (known->marks.failure.empty()) continue;
    auto older = std::make_shared<api::Revision>(*known);
    older->metadata.name = "pets-older";
    known = older;
  }
  cluster.live();
  CHECK(cluster.running_image() == "good");
  CHECK(cluster.state("RolledBack") == "True/ModelInvalid");
  cluster.image("good").live();
  for (auto& known : cluster.observed.revisions) {
    auto older = std::make_shared<api::Revision>(*known);
    if (older->marks.completed > 0) older->metadata.name = "pets-old-template";
    known = older;
  }
  CHECK(cluster.planned() == "create ControllerRevision");
}

TEST_CASE("wherever the operator is killed, it ends with the good revision and never tries the bad one twice") {
  rc::check([] {
    Cluster cluster = serving();
    cluster.image("bad");
    int tries = 0;
    for (int pass = 0; pass < 8; ++pass) {
      const Plan plan = make_plan(cluster.observed, kNow);
      const auto done = *rc::gen::inRange<std::size_t>(0, plan.actions.size() + 1);
      for (std::size_t i = 0; i < done; ++i) {
        const std::string before = cluster.running_image();
        cluster.carry_out(plan.actions[i]);
        if (before != "bad" && cluster.running_image() == "bad") ++tries;
      }
      if (cluster.observed.deployment->observed_generation == 0) cluster.roll();
      if (*rc::gen::arbitrary<bool>()) cluster.show({});
    }
    cluster.live();
    RC_ASSERT(cluster.running_image() == "good");
    RC_ASSERT(tries <= 1);
  });
}

TEST_CASE("a new pod without room is told as what blocks the rollout, and is no failure of the revision") {
  Cluster cluster = serving();
  cluster.image("better").settle(1).no_room();
  const std::string name = cluster.observed.deployment->metadata.pod_revision;
  cluster.progressing("False", "ReplicaSet \"" + name + "\" has timed out progressing.");
  CHECK(cluster.planned().empty());
  cluster.show(make_report(cluster.observed, make_plan(cluster.observed, kNow), {}, kNow).status);
  CHECK(cluster.state("WorkloadAvailable") == "True/RolloutBlocked");
  CHECK(cluster.state("Ready") == "False/RolloutBlocked");
  CHECK_THAT(api::find_condition(cluster.observed.classifier.status.conditions, "Ready")->message,
             Catch::Contains("Insufficient cpu") && Catch::Contains("spec.rollout.strategy to Recreate"));
}

TEST_CASE("with two pods that serve, one makes room; the surge comes back when the rollout has ended") {
  Cluster cluster = serving(R"({"replicas": 2})");
  const json surge = cluster.strategy();
  cluster.image("better").settle(1).no_room();
  CHECK(cluster.planned() == "apply Deployment pets");
  cluster.settle(1);
  CHECK(cluster.strategy()["rollingUpdate"] == json({{"maxSurge", 0}, {"maxUnavailable", 1}}));
  cluster.deployment_status(2, 1, 1);
  cluster.observed.pods.pop_back();
  CHECK(cluster.planned().empty());
  cluster.roll().live();
  CHECK(cluster.strategy() == surge);
  CHECK(cluster.running_image() == "better");
}

TEST_CASE("pods are not taken away for room while fewer than two serve, or where the specification has no surge") {
  Cluster one = serving(R"({"replicas": 2})");
  one.image("better").settle(1).no_room().deployment_status(3, 1, 1);
  CHECK(one.planned().empty());
  Cluster none = serving(R"({"replicas": 3, "rollout": {"maxSurge": 0, "maxUnavailable": 2}})");
  none.image("better").settle(1).no_room();
  CHECK(none.planned().empty());
}

TEST_CASE("of the history the oldest goes, and never what runs, is wanted, was good or failed") {
  Cluster cluster = serving(R"({"rollout": {"revisionHistoryLimit": 2}})");
  for (const char* tag : {"1", "2", "3", "4", "5"}) cluster.image(tag).live();
  CHECK(cluster.observed.revisions.size() == 3);
  CHECK(cluster.marks_of("2").number == 0);
  CHECK(cluster.marks_of("3").number > 0);
  cluster.observed.classifier.spec.rollout.revision_history_limit = 1;
  cluster.image("bad").live();
  CHECK(cluster.observed.revisions.size() == 3);
  CHECK(cluster.marks_of("5").completed > 0);
  CHECK(cluster.running_image() == "5");
}

TEST_CASE("the pull Secret of the last good revision stays until another one is good") {
  Cluster cluster(kBasic);
  cluster.basic_secret("p");
  cluster.image("good").live();
  cluster.observed.classifier.spec.auth = api::NodeIdentity{};
  cluster.image("bad").live();
  CHECK(cluster.running_image() == "good");
  CHECK(cluster.observed.pull_secret);
  cluster.image("better").live();
  CHECK_FALSE(cluster.observed.pull_secret);
}

TEST_CASE("what a rollout comes to is told once") {
  Cluster cluster = serving();
  const auto told = [&] {
    const api::ImageClassifier before = cluster.observed.classifier;
    cluster.live();
    std::string words;
    for (const auto& event : events_of(before, cluster.observed.classifier.status)) {
      words += (event.type == runtime::EventType::kWarning ? "!" : "") + event.reason + " ";
    }
    return words;
  };
  cluster.image("bad");
  CHECK(told() == "!RolledBack ");
  CHECK(told().empty());
  cluster.image("better");
  CHECK(told().starts_with("RolledOut "));
  CHECK(told().empty());
}
