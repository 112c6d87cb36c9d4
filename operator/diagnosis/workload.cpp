#include "operator/diagnosis/workload.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "operator/api/json_access.hpp"
#include "operator/diagnosis/pod_events.hpp"
#include "operator/diagnosis/pull_error.hpp"

namespace imageclassifier::diagnosis {
namespace {

/// The server's own exit status for "cannot ever become ready" (EX_CONFIG of sysexits.h).
constexpr std::int64_t kExitNeverReady = 78;

Finding at_pod(Finding finding, const api::Pod& pod, const api::ContainerStatus* container) {
  finding.object = "Pod";
  finding.pod_name = pod.metadata.name;
  if (container != nullptr) {
    finding.container_name = container->name;
    finding.exit_code = container->exit_code;
  }
  return finding;
}

/// Cuts what the scheduler adds about preemption: it changes from try to try.
std::string_view without_preemption(std::string_view message) {
  return message.substr(0, std::min({message.find(". preemption:"), message.find(". no new claims")}));
}

/// "pods "x-7d4f-abcde" is forbidden: why" without the generated name.
std::string_view without_pod_name(std::string_view message) {
  const std::size_t at = message.find(" is forbidden: ");
  if (at != std::string_view::npos) return message.substr(at + std::string_view(" is forbidden: ").size());
  const std::size_t invalid = message.find(" is invalid: ");
  return invalid == std::string_view::npos ? message
                                           : message.substr(invalid + std::string_view(" is invalid: ").size());
}

std::string without_final_dot(std::string_view text) {
  while (!text.empty() && (text.back() == '.' || text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  return std::string(text);
}

Finding pull_finding(const Workload& workload, const std::string& message) {
  const PullCause cause = classify_pull_error(message, !workload.credential_source.empty());
  const std::string& image = workload.classifier->spec.image;
  return make_finding(cause.reason, {{"server", workload.server},
                                     {"image", image},
                                     {"source", workload.credential_source},
                                     {"name", workload.classifier->metadata.name},
                                     {"detail", cause.detail}});
}

std::optional<Finding> diagnose_waiting(const Workload& workload, const api::ContainerStatus& container) {
  const std::string& reason = container.waiting_reason;
  const auto image = std::pair<std::string_view, std::string_view>("image", workload.classifier->spec.image);
  if (reason == "ErrImagePull" || reason == "ImagePullBackOff" || reason == "ImageInspectError" ||
      reason == "RegistryUnavailable" || reason == "SignatureValidationFailed") {
    return pull_finding(workload, container.waiting_message);
  }
  if (reason == "InvalidImageName") {
    return make_finding("InvalidReference", {{"detail", "the kubelet refuses it."}});
  }
  if (reason == "ErrImageNeverPull") {
    return make_finding(
        "ImagePullFailed",
        {image, {"name", workload.classifier->metadata.name}, {"detail", ": its pull policy is Never"}});
  }
  if (reason == "CreateContainerConfigError") {
    return make_finding("ContainerConfigInvalid", {{"detail", without_final_dot(container.waiting_message)}});
  }
  if (reason == "CreateContainerError" || reason == "RunContainerError") {
    return make_finding("ContainerStartFailed", {image, {"detail", without_final_dot(container.waiting_message)}});
  }
  return std::nullopt;
}

/// The server says why in /dev/termination-log: {"reason", "message"}.
std::optional<Finding> diagnose_own_words(const std::string& termination_message) {
  constexpr std::array<std::string_view, 5> kOwnReasons = {"ModelInvalid", "ModelDigestMismatch", "ModelUnavailable",
                                                           "SelfTestFailed", "ConfigurationInvalid"};
  const nlohmann::json object = api::parse_or_null(termination_message);
  const std::string reason = api::text_of(object, "reason");
  if (std::find(kOwnReasons.begin(), kOwnReasons.end(), reason) == kOwnReasons.end()) return std::nullopt;
  return make_finding(reason, {{"detail", without_final_dot(api::text_of(object, "message"))}});
}

std::optional<Finding> diagnose_terminated(const Workload& workload, const api::ContainerStatus& container) {
  if (!container.exit_code) return std::nullopt;
  const auto name = std::pair<std::string_view, std::string_view>("name", workload.classifier->metadata.name);
  if (container.terminated_reason == "OOMKilled") {
    const std::string limit =
        container.memory_limit.empty() ? "the node has" : "its limit of " + container.memory_limit;
    return make_finding("OOMKilled", {{"limit", limit}});
  }
  if (auto own = diagnose_own_words(container.terminated_message)) return own;
  if (container.terminated_reason == "ContainerCannotRun" || container.terminated_reason == "StartError") {
    if (container.terminated_message.find("exec format error") != std::string::npos) {
      return make_finding("PlatformMismatch", {{"image", workload.classifier->spec.image}});
    }
    return make_finding("ContainerStartFailed", {{"image", workload.classifier->spec.image},
                                                 {"detail", without_final_dot(container.terminated_message)}});
  }
  // 137 and 143 without OOMKilled are the kubelet's own kill: a probe failed.
  if (container.exit_code == 137 || container.exit_code == 143) return make_finding("ProbeFailing", {name});
  const std::string status = *container.exit_code == kExitNeverReady
                                 ? "and says that it can never become ready (exit status 78)"
                                 : "with exit status " + std::to_string(*container.exit_code);
  return make_finding("CrashLoop", {name, {"container", container.name}, {"detail", status}});
}

std::optional<Finding> diagnose_container(const Workload& workload, const api::ContainerStatus& container) {
  if (auto waiting = diagnose_waiting(workload, container)) return waiting;
  if (container.ready || (container.init && container.exit_code == 0)) return std::nullopt;
  if (container.waiting_reason == "CrashLoopBackOff" || container.restart_count > 0 || !container.running) {
    if (auto terminated = diagnose_terminated(workload, container)) return terminated;
  }
  return std::nullopt;
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

std::optional<Finding> diagnose_creation(const Workload& workload, const std::vector<api::Condition>& conditions) {
  const api::Condition* failure = api::find_condition(conditions, "ReplicaFailure");
  if (failure == nullptr || failure->status != "True") return std::nullopt;
  Finding finding =
      make_finding("PodCreationForbidden", {{"name", workload.classifier->metadata.name},
                                            {"detail", without_final_dot(without_pod_name(failure->message))}});
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

std::optional<Finding> diagnose_pod(const Workload& workload, const api::Pod& pod) {
  if (api::is_ready(pod) || pod.metadata.deleting) return std::nullopt;
  if (pod.phase == "Failed" && pod.reason == "Evicted") {
    return at_pod(make_finding("PodEvicted", {{"detail", without_final_dot(pod.message)}}), pod, nullptr);
  }
  if (const api::Condition* scheduled = api::find_condition(pod.conditions, "PodScheduled");
      scheduled != nullptr && scheduled->status == "False") {
    const std::string detail = without_final_dot(without_preemption(scheduled->message));
    return at_pod(make_finding("Unschedulable", {{"detail", detail}}), pod, nullptr);
  }
  std::optional<Finding> deepest;
  for (const api::ContainerStatus& container : pod.containers) {
    auto found = diagnose_container(workload, container);
    if (!found) continue;
    *found = at_pod(std::move(*found), pod, &container);
    if (!deepest || found->reason->depth > deepest->reason->depth) deepest = std::move(found);
  }
  if (deepest || workload.pod_events == nullptr || !is_being_created(pod)) return deepest;
  auto told = diagnose_pod_events(pod, *workload.pod_events);
  return told ? std::optional<Finding>(at_pod(std::move(*told), pod, nullptr)) : std::nullopt;
}

std::optional<Finding> diagnose_blocked(const Workload& workload) {
  const api::ReplicaSet* current = current_replica_set(workload);
  if (current == nullptr || !earlier_pods_serve(workload, *current)) return std::nullopt;
  for (const api::Pod* pod : workload.pods) {
    if (pod->metadata.owner_uid != current->metadata.uid || pod->metadata.deleting) continue;
    const api::Condition* scheduled = api::find_condition(pod->conditions, "PodScheduled");
    if (scheduled == nullptr || scheduled->status != "False") continue;
    return at_pod(
        make_finding("RolloutBlocked", {{"detail", without_final_dot(without_preemption(scheduled->message))}}), *pod,
        nullptr);
  }
  return std::nullopt;
}

std::optional<Finding> diagnose_hopeless(const Workload& workload) {
  const api::ReplicaSet* current = current_replica_set(workload);
  if (current == nullptr) return std::nullopt;
  std::optional<Finding> deepest;
  std::size_t pods = 0, ending = 0;
  for (const api::Pod* pod : workload.pods) {
    if (pod->metadata.owner_uid != current->metadata.uid || pod->metadata.deleting) continue;
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
  const bool no_room = cause && (cause->name() == "Unschedulable" || cause->name() == "PodCreationForbidden");
  return no_room && earlier_pods_serve(workload, *current) ? std::nullopt : cause;
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
      if (pod->metadata.owner_uid == current->metadata.uid) consider(diagnose_pod(workload, *pod));
    }
  }
  if (workload.deployment != nullptr) {
    consider(diagnose_creation(workload, workload.deployment->conditions));
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
