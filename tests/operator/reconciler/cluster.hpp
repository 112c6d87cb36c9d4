#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "operator/reconciler/status.hpp"
#include "tests/operator/reconciler/fixtures.hpp"

namespace imageclassifier::reconciler::testing {

using nlohmann::json;

inline const std::string kServer = "contoso.azurecr.io/inference-server:";
inline constexpr const char* kModelInvalid = R"({"reason": "ModelInvalid", "message": "it is cut short"})";

/// The world with a Deployment controller and kubelets: images whose name begins with "bad" end at once.
class Cluster : public World {
 public:
  explicit Cluster(const std::string& spec = "{}") : World(spec) {}

  Cluster& settle(int rounds) {
    World::settle(rounds);
    return *this;
  }
  Cluster& image(const std::string& tag) {
    observed.classifier.spec.image = kServer + tag;
    ++observed.classifier.metadata.generation;
    return *this;
  }
  std::string running_image() const {
    const json owned = json::parse(observed.deployment->owned.text());
    return owned["spec"]["template"]["spec"]["containers"][0]["image"].get<std::string>().substr(kServer.size());
  }
  json strategy() const { return json::parse(observed.deployment->owned.text())["spec"]["strategy"]; }

  /// What the Deployment wants is rolled out, as far as it can be.
  Cluster& roll() {
    const std::string name = observed.deployment->metadata.pod_revision;
    const bool bad = running_image().starts_with("bad");
    const auto replicas = static_cast<int>(observed.deployment->replicas);
    const bool others = std::any_of(observed.pods.begin(), observed.pods.end(), [&](const auto& pod) {
      return api::is_ready(*pod) && pod->metadata.owner_uid != name;
    });
    replica_set(name);
    if (!bad) std::erase_if(observed.pods, [&](const auto& pod) { return pod->metadata.owner_uid != name; });
    std::erase_if(observed.pods, [&](const auto& pod) { return pod->metadata.owner_uid == name; });
    for (int i = 0; i < (bad ? 1 : replicas); ++i) pod(name, !bad);
    const bool serving = !bad || others;
    deployment_status(bad ? replicas + 1 : replicas, bad ? 1 : replicas, serving ? replicas : 0);
    return *this;
  }
  /// The newest pod is of the Deployment's template and finds no room.
  Cluster& no_room() {
    const std::string name = observed.deployment->metadata.pod_revision;
    replica_set(name);
    api::Pod waiting = pod_of(name);
    waiting.conditions = {
        {"PodScheduled", "False", 0, {}, "Unschedulable", "0/1 nodes are available: Insufficient cpu."}};
    observed.pods.push_back(std::make_shared<api::Pod>(waiting));
    const auto replicas = static_cast<int>(observed.deployment->replicas);
    deployment_status(replicas + 1, 1, replicas);
    return *this;
  }
  Cluster& progressing(const std::string& status, const std::string& message) {
    auto changed = std::make_shared<api::Deployment>(*observed.deployment);
    changed->conditions = {{"Progressing", status, 0, {}, "ProgressDeadlineExceeded", message}};
    observed.deployment = changed;
    return *this;
  }
  /// Passes and rollouts until neither changes anything.
  Cluster& live() {
    for (int pass = 0; pass < 12; ++pass) {
      const Plan plan = make_plan(observed, kNow);
      for (const Action& action : plan.actions) carry_out(action);
      show(make_report(observed, plan, {}, kNow).status);
      if (observed.deployment->observed_generation == 0) roll();
      if (plan.actions.empty()) return *this;
    }
    FAIL("the operator does not come to rest");
    return *this;
  }
  std::string planned() const { return summary(make_plan(observed, kNow)); }
  api::RevisionMarks marks_of(const std::string& tag) const {
    for (const auto& revision : observed.revisions) {
      const std::string& pods = observed.templates.at(revision->metadata.name);
      if (pods.find(kServer + tag + '"') != std::string::npos) return revision->marks;
    }
    return {};
  }
  std::string state(const std::string& type) const {
    const api::Condition* condition = api::find_condition(observed.classifier.status.conditions, type);
    return condition == nullptr ? "absent" : condition->status + "/" + condition->reason;
  }

 private:
  void replica_set(const std::string& name) {
    api::ReplicaSet made;
    made.metadata.name = made.metadata.uid = made.metadata.pod_revision = name;
    made.metadata.owner_uid = "deployment";
    for (const auto& known : observed.replica_sets)
      made.metadata.revision = std::max(made.metadata.revision, known->metadata.revision + 1);
    std::erase_if(observed.replica_sets, [&](const auto& known) { return known->metadata.uid == name; });
    observed.replica_sets.push_back(std::make_shared<api::ReplicaSet>(made));
  }
  static api::Pod pod_of(const std::string& name) {
    api::Pod made;
    made.metadata.name = name + "-x";
    made.metadata.owner_uid = name;
    return made;
  }
  void pod(const std::string& name, bool good) {
    api::Pod made = pod_of(name);
    made.conditions = {{"Ready", good ? "True" : "False", 0, {}, {}, {}}};
    if (!good) {
      api::ContainerStatus server;
      server.name = "server";
      server.waiting_reason = "CrashLoopBackOff";
      server.restart_count = 2;
      server.exit_code = 78;
      server.terminated_message = kModelInvalid;
      made.containers = {server};
    }
    observed.pods.push_back(std::make_shared<api::Pod>(made));
  }
};

inline Cluster serving(const std::string& spec = "{}") {
  Cluster cluster(spec);
  cluster.image("good").live();
  return cluster;
}

}  // namespace imageclassifier::reconciler::testing
