#include "operator/diagnosis/pod.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "operator/api/json_access.hpp"
#include "operator/diagnosis/pod_events.hpp"
#include "operator/diagnosis/pull_error.hpp"
#include "operator/diagnosis/stable_text.hpp"

namespace imageclassifier::diagnosis {
namespace {

Finding at_pod(Finding finding, const api::Pod& pod, const api::ContainerStatus* container = nullptr) {
  finding.object = "Pod";
  finding.pod_name = pod.metadata.name;
  if (container != nullptr) {
    finding.container_name = container->name;
    finding.exit_code = container->exit_code;
  }
  return finding;
}

/// Up to the first of these: what follows is another one with each pod or try.
std::string_view before(std::string_view message, std::initializer_list<std::string_view> marks) {
  std::size_t end = message.size();
  for (const std::string_view mark : marks) end = std::min(end, message.find(mark));
  return message.substr(0, end);
}

bool is_pull_failing(const api::ContainerStatus& container) {
  return container.waiting_reason == "ErrImagePull" || container.waiting_reason == "ImagePullBackOff";
}

Finding pull_finding(const Workload& workload, const std::string& message) {
  const api::ImageClassifier& classifier = *workload.classifier;
  std::string source = workload.credential_source;
  if (source.empty() && !classifier.spec.pod.image_pull_secrets.empty()) {
    source = "the Secrets of spec.pod.imagePullSecrets";
  }
  PullCause cause = classify_pull_error(message, !source.empty());
  if (!workload.missing_pull_secret.empty() && is_refusal(cause.reason)) cause.reason = "PullSecretMissing";
  if (!workload.found_for.empty() && is_clock_of_node(cause)) cause.reason = "NodeClockSkew";
  // What the resource's own credential says of the two.
  const bool own = !workload.credential_source.empty();
  if (own && cause.reason == "CredentialMissing") cause.reason = "CredentialNotAttached";
  if (api::is_minted(classifier.spec.auth) && cause.reason == "CredentialRefused")
    cause.reason = "MintedCredentialRefused";
  Finding finding = make_finding(cause.reason, {{"server", workload.server},
                                                {"image", classifier.spec.image},
                                                {"source", source},
                                                {"who", "a node"},
                                                {"secret", workload.missing_pull_secret},
                                                {"namespace", classifier.metadata.namespace_name},
                                                {"name", classifier.metadata.name},
                                                {"detail", cause.detail}});
  if (workload.found_for.empty()) return finding;
  if (cause.reason == "PlatformMismatch") finding.message += " It is built for " + workload.found_for + ".";
  if (const auto joined = although_found(cause.reason); !joined.empty()) finding.message += ' ' + std::string(joined);
  return finding;
}

/// A container that cannot be configured: the kubelet names the object that is missing, or refuses the image's user.
Finding configuration_finding(const Workload& workload, const api::Pod& pod, const std::string& message) {
  const bool user = message.find("runAsNonRoot") != std::string::npos || message.find("non-root") != std::string::npos;
  return make_finding(user ? "ImageUserRefused" : "ContainerConfigInvalid",
                      {{"image", workload.classifier->spec.image},
                       {"detail", stable_text(before(message, {" (pod: "}), pod.metadata.name)}});
}

std::optional<Finding> diagnose_waiting(const Workload& workload, const api::Pod& pod,
                                        const api::ContainerStatus& container) {
  const std::string& reason = container.waiting_reason;
  const auto image = std::pair<std::string_view, std::string_view>("image", workload.classifier->spec.image);
  const auto name = std::pair<std::string_view, std::string_view>("name", workload.classifier->metadata.name);
  if (is_pull_failing(container)) {
    return pull_finding(workload, container.waiting_message);
  }
  if (reason == "ImageInspectError" || reason == "RegistryUnavailable" || reason == "SignatureValidationFailed") {
    return pull_finding(workload, reason + ": " + container.waiting_message);
  }
  if (reason == "InvalidImageName") {
    return make_finding("InvalidReference", {{"detail", "the kubelet refuses it."}});
  }
  if (reason == "ErrImageNeverPull") return make_finding("ImageNotPresent", {image, name});
  if (reason == "CreateContainerConfigError") return configuration_finding(workload, pod, container.waiting_message);
  if (reason == "CreateContainerError" || reason == "RunContainerError") {
    return make_finding("ContainerStartFailed",
                        {image, {"detail", stable_text(container.waiting_message, pod.metadata.name)}});
  }
  constexpr std::array<std::string_view, 3> kOnItsWay = {"ContainerCreating", "PodInitializing", "CrashLoopBackOff"};
  const bool known = std::find(kOnItsWay.begin(), kOnItsWay.end(), reason) != kOnItsWay.end();
  if (known || reason.empty() || container.waiting_message.empty()) return std::nullopt;
  return make_finding("ContainerWaiting",
                      {{"container", container.name},
                       name,
                       {"detail", reason + ": " + stable_text(container.waiting_message, pod.metadata.name)}});
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

std::optional<Finding> diagnose_terminated(const Workload& workload, const api::Pod& pod,
                                           const api::ContainerStatus& container) {
  if (!container.exit_code) return std::nullopt;
  const auto name = std::pair<std::string_view, std::string_view>("name", workload.classifier->metadata.name);
  if (container.terminated_reason == "OOMKilled") {
    const std::string limit =
        container.memory_limit.empty() ? "the node has" : "its limit of " + container.memory_limit;
    return make_finding("OOMKilled", {{"container", container.name}, {"limit", limit}});
  }
  if (auto own = diagnose_own_words(container.terminated_message)) return own;
  if (container.terminated_reason == "ContainerCannotRun" || container.terminated_reason == "StartError") {
    if (container.terminated_message.find("exec format error") != std::string::npos) {
      return make_finding("PlatformMismatch", {{"image", workload.classifier->spec.image}});
    }
    return make_finding("ContainerStartFailed",
                        {{"image", workload.classifier->spec.image},
                         {"detail", stable_text(container.terminated_message, pod.metadata.name)}});
  }
  // 137 and 143 without OOMKilled are the kubelet's own kill: a probe failed. What prepares a pod has none.
  const bool killed = container.exit_code == 137 || container.exit_code == 143;
  if (killed && !container.init) return make_finding("ProbeFailing", {name});
  const std::string status = *container.exit_code == kExitNeverReady
                                 ? "and says that it can never become ready (exit status 78)"
                                 : "with exit status " + std::to_string(*container.exit_code);
  return make_finding("CrashLoop", {name, {"container", container.name}, {"detail", status}});
}

std::optional<Finding> diagnose_container(const Workload& workload, const api::Pod& pod,
                                          const api::ContainerStatus& container) {
  if (auto waiting = diagnose_waiting(workload, pod, container)) return waiting;
  if (container.ready || (container.init && container.exit_code == 0)) return std::nullopt;
  if (container.waiting_reason == "CrashLoopBackOff" || container.restart_count > 0 || !container.running) {
    if (auto terminated = diagnose_terminated(workload, pod, container)) return terminated;
  }
  return std::nullopt;
}

struct EndPattern {
  std::string_view pod_reason;
  std::string_view reason;
};

/// How kubelets, and the controller that takes away what a lost node left, end pods. With any other word a kubelet
/// refuses a pod that the scheduler has given it: OutOfcpu, NodeAffinity, UnexpectedAdmissionError...
constexpr std::array kEnds = {
    EndPattern{"Evicted", "PodEvicted"},      EndPattern{"Preempting", "PodPreempted"},
    EndPattern{"Terminated", "NodeShutdown"}, EndPattern{"NodeShutdown", "NodeShutdown"},
    EndPattern{"Shutdown", "NodeShutdown"},   EndPattern{"NodeLost", "NodeLost"},
};

std::optional<Finding> diagnose_end(const api::Pod& pod) {
  if (pod.reason.empty()) return std::nullopt;
  // Figures of a moment follow these.
  std::string_view message = before(pod.message, {". Threshold quantity", ". Container ", ", used:", ". Requested:"});
  constexpr std::string_view kRejected = "Pod was rejected: ";
  if (message.starts_with(kRejected)) message.remove_prefix(kRejected.size());
  const std::string words = stable_text(message, pod.metadata.name);
  const auto end = std::find_if(kEnds.begin(), kEnds.end(),
                                [&](const EndPattern& pattern) { return pattern.pod_reason == pod.reason; });
  if (end != kEnds.end()) return make_finding(end->reason, {{"detail", words}});
  return make_finding("PodRejected", {{"detail", pod.reason + (words.empty() ? "" : ": " + words)}});
}

/// A pod whose containers run, and that does not count as ready all the same.
std::optional<Finding> diagnose_readiness(const Workload& workload, const api::Pod& pod) {
  const api::Condition* ready = api::find_condition(pod.conditions, "Ready");
  if (ready == nullptr) return std::nullopt;
  const auto all = [&](auto holds) {
    return !pod.containers.empty() && std::all_of(pod.containers.begin(), pod.containers.end(), holds);
  };
  const bool up = all([](const api::ContainerStatus& container) { return container.init || container.ready; });
  // When a node falls silent, its controller turns the condition and gives no reason; kubelets always give one.
  if (ready->status == "Unknown" || pod.reason == "NodeLost" || (up && ready->reason.empty())) {
    return make_finding("NodeLost");
  }
  const auto name = std::pair<std::string_view, std::string_view>("name", workload.classifier->metadata.name);
  if (ready->reason == "ReadinessGatesNotReady") {
    return make_finding("ReadinessGateNotMet", {name, {"detail", without_final_dot(ready->message)}});
  }
  const bool run = all([](const api::ContainerStatus& container) { return container.init || container.running; });
  if (run && pod.lost_readiness) return make_finding("ReadinessFailing", {name});
  return std::nullopt;
}

/// The condition that says so, or nullptr.
const api::Condition* without_node(const api::Pod& pod) {
  const api::Condition* scheduled = api::find_condition(pod.conditions, "PodScheduled");
  return scheduled == nullptr || scheduled->status != "False" || api::has_ended(pod) ? nullptr : scheduled;
}

bool is_gated(const api::Condition& scheduled) {
  return scheduled.reason == "SchedulingGated";
}

bool waits_for_claim(const api::Condition& scheduled) {
  return scheduled.message.find("unbound immediate PersistentVolumeClaims") != std::string::npos;
}

/// What the scheduler adds about preemption changes from try to try.
std::string schedulers_words(const api::Condition& scheduled) {
  return without_final_dot(before(scheduled.message, {". preemption:", ". no new claims"}));
}

Finding no_node_finding(const Workload& workload, const api::Condition& scheduled) {
  const std::string detail = schedulers_words(scheduled);
  if (is_gated(scheduled)) return make_finding("SchedulingGated", {{"name", workload.classifier->metadata.name}});
  const auto* claim = std::get_if<api::VolumeFile>(&workload.classifier->spec.model.source);
  if (claim != nullptr && waits_for_claim(scheduled)) {
    return make_finding("VolumeClaimUnbound", {{"claim", claim->claim_name}, {"detail", detail}});
  }
  return make_finding("Unschedulable", {{"detail", detail}});
}

}  // namespace

bool is_pull_failing(const api::Pod& pod) {
  return !pod.metadata.deleting && std::any_of(pod.containers.begin(), pod.containers.end(),
                                               [](const auto& container) { return is_pull_failing(container); });
}

std::optional<Finding> diagnose_room(const api::Pod& pod) {
  const api::Condition* scheduled = without_node(pod);
  if (scheduled == nullptr || is_gated(*scheduled) || waits_for_claim(*scheduled)) return std::nullopt;
  return at_pod(make_finding("RolloutBlocked", {{"detail", schedulers_words(*scheduled)}}), pod);
}

std::optional<Finding> diagnose_pod(const Workload& workload, const api::Pod& pod) {
  if (api::is_ready(pod) || pod.metadata.deleting) return std::nullopt;
  if (api::has_ended(pod)) {
    if (auto end = diagnose_end(pod)) return at_pod(std::move(*end), pod);
  }
  if (const api::Condition* scheduled = without_node(pod)) return at_pod(no_node_finding(workload, *scheduled), pod);
  if (auto unready = diagnose_readiness(workload, pod)) return at_pod(std::move(*unready), pod);
  std::optional<Finding> deepest;
  for (const api::ContainerStatus& container : pod.containers) {
    auto found = diagnose_container(workload, pod, container);
    if (!found) continue;
    *found = at_pod(std::move(*found), pod, &container);
    if (!deepest || found->reason->depth > deepest->reason->depth) deepest = std::move(found);
  }
  if (deepest || workload.pod_events == nullptr || !is_being_created(pod)) return deepest;
  auto told = diagnose_pod_events(pod, *workload.pod_events);
  return told ? std::optional<Finding>(at_pod(std::move(*told), pod)) : std::nullopt;
}

}  // namespace imageclassifier::diagnosis
