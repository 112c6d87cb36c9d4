#include "operator/diagnosis/pod_events.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include "operator/diagnosis/event_pattern.hpp"

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

/// Length of a generated id at the beginning of the text (a digest, a uid), or 0: hexadecimal digits and dashes, at
/// least twelve, with a digit among them.
std::size_t id_length(std::string_view text) {
  std::size_t length = 0;
  bool digit = false;
  while (length < text.size()) {
    const auto byte = static_cast<unsigned char>(text[length]);
    if (std::isxdigit(byte) == 0 && byte != '-') break;
    digit = digit || std::isdigit(byte) != 0;
    ++length;
  }
  return digit && length >= 12 ? length : 0;
}

/// Without the generated names, which differ from pod to pod and from try to try.
std::string stable_detail(std::string_view message, const std::string& pod_name) {
  for (const std::string_view prefix : {"Failed to create pod sandbox: ", "rpc error: code = Unknown desc = "}) {
    if (message.starts_with(prefix)) message.remove_prefix(prefix.size());
  }
  std::string detail;
  bool inside_word = false;
  while (!message.empty()) {
    std::size_t generated = 0;
    if (!inside_word) {
      generated = !pod_name.empty() && message.starts_with(pod_name) ? pod_name.size() : id_length(message);
    }
    inside_word = generated == 0 && std::isalnum(static_cast<unsigned char>(message.front())) != 0;
    detail += generated == 0 ? message.substr(0, 1) : "...";
    message.remove_prefix(std::max<std::size_t>(generated, 1));
  }
  while (!detail.empty() && (detail.back() == '.' || detail.back() == ' ' || detail.back() == '\n')) detail.pop_back();
  return detail;
}

}  // namespace

bool is_being_created(const api::Pod& pod) {
  if (pod.node_name.empty() || pod.metadata.deleting || pod.containers.empty()) return false;
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
  return make_finding(cause->reason, {{"detail", stable_detail(newest->message, pod.metadata.name)}});
}

}  // namespace imageclassifier::diagnosis
