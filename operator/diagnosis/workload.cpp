#include "operator/diagnosis/workload.hpp"

#include <algorithm>
#include <array>

#include "operator/diagnosis/pod.hpp"
#include "operator/diagnosis/stable_text.hpp"

namespace imageclassifier::diagnosis {
namespace {

/// "pods "x-7d4f-abcde" is forbidden: why" without the generated name.
std::string_view without_pod_name(std::string_view message) {
  const std::size_t at = message.find(" is forbidden: ");
  if (at != std::string_view::npos) return message.substr(at + std::string_view(" is forbidden: ").size());
  const std::size_t invalid = message.find(" is invalid: ");
  return invalid == std::string_view::npos ? message
                                           : message.substr(invalid + std::string_view(" is invalid: ").size());
}

bool ends_for_ever(const api::Pod& pod, const Finding& finding) {
  if (finding.exit_code == kExitNeverReady) return true;
  // Whoever serves the file may be back soon; the progress deadline says when that was long enough.
  if (finding.name() == "ModelUnavailable") return false;
  return std::any_of(pod.containers.begin(), pod.containers.end(), [](const api::ContainerStatus& container) {
    return container.waiting_reason == "CrashLoopBackOff";
  });
}

/// Fetches or loads the model for the first time: an init container that runs, or a server before its startup probe has
/// passed. Both have bounds of their own, and what has ended before speaks for itself.
bool is_loading(const api::Pod& pod) {
  if (pod.metadata.deleting || api::is_ready(pod)) return false;
  return std::any_of(pod.containers.begin(), pod.containers.end(), [](const api::ContainerStatus& container) {
    const bool at_work = container.init ? !container.ready : container.started == false;
    return at_work && container.running && container.restart_count == 0;
  });
}

bool pods_are_loading(const Workload& workload, const api::ReplicaSet& current) {
  return std::any_of(workload.pods.begin(), workload.pods.end(), [&](const api::Pod* pod) {
    return pod->metadata.owner_uid == current.metadata.uid && is_loading(*pod);
  });
}

bool earlier_pods_serve(const Workload& workload, const api::ReplicaSet& current) {
  return std::any_of(workload.pods.begin(), workload.pods.end(), [&](const api::Pod* pod) {
    return pod->metadata.owner_uid != current.metadata.uid && !pod->metadata.deleting && api::is_ready(*pod);
  });
}

bool counts(const api::Pod& pod) {
  return !pod.metadata.deleting && !api::has_ended(pod);
}

/// What the last of the pods says that have ended and are not replaced yet: that is, as long as kubelets have taken
/// fewer pods than are wanted. One that they have taken has states of its containers.
std::optional<Finding> diagnose_ended(const Workload& workload, const api::ReplicaSet& current) {
  const api::Pod* last = nullptr;
  std::int64_t taken = 0;
  for (const api::Pod* pod : workload.pods) {
    if (pod->metadata.owner_uid != current.metadata.uid || pod->metadata.deleting) continue;
    if (counts(*pod)) {
      taken += pod->containers.empty() ? 0 : 1;
    } else if (last == nullptr || pod->metadata.creation_timestamp > last->metadata.creation_timestamp) {
      last = pod;
    }
  }
  return last == nullptr || taken >= current.replicas ? std::nullopt : diagnose_pod(workload, *last);
}

/// Nothing of it is the fault of what the pods are to run.
bool finds_no_node(const Finding& cause) {
  constexpr std::array<std::string_view, 4> kReasons = {"PodCreationForbidden", "SchedulingGated", "Unschedulable",
                                                        "VolumeClaimUnbound"};
  return std::find(kReasons.begin(), kReasons.end(), cause.name()) != kReasons.end();
}

std::optional<Finding> diagnose_creation(const Workload& workload, const std::vector<api::Condition>& conditions) {
  const api::Condition* failure = api::find_condition(conditions, "ReplicaFailure");
  if (failure == nullptr || failure->status != "True") return std::nullopt;
  Finding finding = make_finding("PodCreationForbidden",
                                 {{"name", workload.classifier->metadata.name},
                                  {"detail", without_final_dot(without_usage(without_pod_name(failure->message)))}});
  finding.object = "Deployment " + workload.classifier->metadata.name;
  return finding;
}

}  // namespace

const api::ReplicaSet* current_replica_set(const Workload& workload) {
  if (workload.deployment == nullptr) return nullptr;
  const api::ReplicaSet* newest = nullptr;
  for (const api::ReplicaSet* candidate : workload.replica_sets) {
    if (candidate->metadata.owner_uid != workload.deployment->metadata.uid) continue;
    if (newest == nullptr || candidate->metadata.revision > newest->metadata.revision) newest = candidate;
  }
  return newest;
}

std::optional<Finding> diagnose_blocked(const Workload& workload) {
  const api::ReplicaSet* current = current_replica_set(workload);
  if (current == nullptr || !earlier_pods_serve(workload, *current)) return std::nullopt;
  for (const api::Pod* pod : workload.pods) {
    if (pod->metadata.owner_uid != current->metadata.uid || pod->metadata.deleting) continue;
    if (auto no_room = diagnose_room(*pod)) return no_room;
  }
  return std::nullopt;
}

std::optional<Finding> diagnose_pause(const Workload& workload) {
  const api::Deployment* deployment = workload.deployment;
  if (deployment == nullptr || !deployment->paused) return std::nullopt;
  const bool holds_back =
      current_replica_set(workload) == nullptr || deployment->updated_replicas < deployment->status_replicas;
  if (!holds_back) return std::nullopt;
  Finding finding = make_finding("DeploymentPaused", {{"name", workload.classifier->metadata.name}});
  finding.object = "Deployment " + workload.classifier->metadata.name;
  return finding;
}

std::optional<Finding> diagnose_hopeless(const Workload& workload) {
  const api::ReplicaSet* current = current_replica_set(workload);
  if (current == nullptr) return std::nullopt;
  std::optional<Finding> deepest;
  std::size_t pods = 0, ending = 0;
  for (const api::Pod* pod : workload.pods) {
    if (pod->metadata.owner_uid != current->metadata.uid || !counts(*pod)) continue;
    ++pods;
    auto found = diagnose_pod(workload, *pod);
    if (!found || !ends_for_ever(*pod, *found)) continue;
    ++ending;
    if (!deepest || found->reason->depth > deepest->reason->depth) deepest = std::move(found);
  }
  if (2 * ending > pods) return deepest;
  const api::Condition* progressing = api::find_condition(workload.deployment->conditions, "Progressing");
  // Back to a template that was there before, the condition speaks of the other ReplicaSet for a moment.
  const bool late = progressing != nullptr && progressing->status == "False" &&
                    progressing->message.find('"' + current->metadata.name + '"') != std::string::npos;
  if (!late || pods_are_loading(workload, *current)) return std::nullopt;
  auto cause = diagnose_workload(workload);
  return cause && finds_no_node(*cause) && earlier_pods_serve(workload, *current) ? std::nullopt : cause;
}

std::optional<Finding> diagnose_workload(const Workload& workload) {
  const api::ReplicaSet* current = current_replica_set(workload);
  std::optional<Finding> deepest;
  const auto consider = [&](std::optional<Finding> found) {
    if (found && (!deepest || found->reason->depth > deepest->reason->depth)) deepest = std::move(found);
  };
  if (current != nullptr) {
    consider(diagnose_creation(workload, current->conditions));
    for (const api::Pod* pod : workload.pods) {
      const bool of_now = pod->metadata.owner_uid == current->metadata.uid && counts(*pod);
      if (of_now) consider(diagnose_pod(workload, *pod));
    }
  }
  if (workload.deployment != nullptr) {
    consider(diagnose_creation(workload, workload.deployment->conditions));
    if (!deepest && current != nullptr) deepest = diagnose_ended(workload, *current);
    const api::Condition* progressing = api::find_condition(workload.deployment->conditions, "Progressing");
    if (!deepest && progressing != nullptr && progressing->status == "False") {
      const bool loading = current != nullptr && pods_are_loading(workload, *current);
      deepest = make_finding(loading ? "ModelLoading" : "ProgressDeadlineExceeded",
                             {{"name", workload.classifier->metadata.name}});
      deepest->object = "Deployment " + workload.classifier->metadata.name;
    }
  }
  return deepest;
}

}  // namespace imageclassifier::diagnosis
