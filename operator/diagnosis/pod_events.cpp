#include "operator/diagnosis/pod_events.hpp"

#include <algorithm>
#include <array>

#include "operator/diagnosis/event_pattern.hpp"
#include "operator/diagnosis/stable_text.hpp"

namespace imageclassifier::diagnosis {
namespace {

// First hit wins. Words of the kubelet, the attach-detach controller, and of network plug-ins behind them.
constexpr std::array kPatterns = {
    EventPattern{"FailedAttachVolume", "Multi-Attach error", "VolumeInUse"},
    EventPattern{"FailedAttachVolume", "", "VolumeMountFailed"},
    EventPattern{"FailedMount", "", "VolumeMountFailed"},
    EventPattern{"FailedMapVolume", "", "VolumeMountFailed"},
    EventPattern{"FailedCreatePodSandBox", "No available addresses", "PodAddressesExhausted"},
    EventPattern{"FailedCreatePodSandBox", "no IP addresses available", "PodAddressesExhausted"},
    EventPattern{"FailedCreatePodSandBox", "", "PodSandboxFailed"},
};

/// Without what stands before every such message.
std::string_view cause_in(std::string_view message) {
  for (const std::string_view prefix : {"Failed to create pod sandbox: ", "rpc error: code = Unknown desc = "}) {
    if (message.starts_with(prefix)) message.remove_prefix(prefix.size());
  }
  return message;
}

}  // namespace

bool is_being_created(const api::Pod& pod) {
  if (pod.node_name.empty() || pod.metadata.deleting || api::has_ended(pod) || pod.containers.empty()) return false;
  return std::all_of(pod.containers.begin(), pod.containers.end(), [](const api::ContainerStatus& container) {
    return (container.waiting_reason == "ContainerCreating" || container.waiting_reason == "PodInitializing") &&
           !container.exit_code;
  });
}

std::optional<Finding> diagnose_pod_events(const api::Pod& pod, const std::vector<api::Event>& events) {
  const api::Event* newest = nullptr;
  for (const api::Event& event : events) {
    if (event.involved_uid != pod.metadata.uid) continue;
    // Of the same second the failure: events tell no finer time.
    const bool later = newest == nullptr || event.last_seen > newest->last_seen ||
                       (event.last_seen == newest->last_seen && match(kPatterns, event) != nullptr);
    if (later) newest = &event;
  }
  const EventPattern* cause = newest == nullptr ? nullptr : match(kPatterns, *newest);
  if (cause == nullptr) return std::nullopt;
  return make_finding(cause->reason, {{"detail", stable_text(cause_in(newest->message), pod.metadata.name)}});
}

}  // namespace imageclassifier::diagnosis
