#include "operator/diagnosis/pod_events.hpp"

#include <catch2/catch.hpp>
#include <string>

using namespace imageclassifier;
using namespace imageclassifier::diagnosis;

namespace {

api::Pod creating() {
  api::Pod pod;
  pod.metadata.name = "pets-6d4b75cb6d-x2x5t";
  pod.metadata.uid = "pod";
  pod.node_name = "node";
  api::ContainerStatus status;
  status.name = "server";
  status.waiting_reason = "ContainerCreating";
  pod.containers.push_back(status);
  return pod;
}

api::Event event(const std::string& type, const std::string& reason, const std::string& message = "",
                 const std::string& seen = "2026-01-31T08:00:05Z") {
  api::Event made;
  made.involved_uid = "pod";
  made.type = type;
  made.reason = reason;
  made.message = message;
  made.last_seen = seen;
  return made;
}

std::string text_of(const api::Event& warning) {
  const auto found =
      diagnose_pod_events(creating(), {event("Normal", "Scheduled", "", "2026-01-31T08:00:00Z"), warning});
  return found ? std::string(found->name()) + ": " + found->message : "nothing";
}

}  // namespace

TEST_CASE("events of a pod that is not made are classified by their text, without what is generated in it") {
  const std::pair<api::Event, const char*> cases[] = {
      {event("Warning", "FailedMount",
             "MountVolume.SetUp failed for volume \"tls\" : secret \"certificate\" not found"),
       "VolumeMountFailed: A volume of the pod cannot be mounted: MountVolume.SetUp failed for volume \"tls\" : secret "
       "\"certificate\" not found."},
      {event("Warning", "FailedMount",
             "Unable to attach or mount volumes: unmounted volumes=[model], unattached volumes=[model]: timed out "
             "waiting for the condition"),
       "VolumeMountFailed: A volume of the pod cannot be mounted: Unable to attach or mount volumes: unmounted "
       "volumes=[model], unattached volumes=[model]: timed out waiting for the condition."},
      {event("Warning", "FailedAttachVolume",
             "Multi-Attach error for volume \"pvc-0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0\" Volume is already exclusively "
             "attached to one node and can't be attached to another"),
       "VolumeInUse: The model's volume is attached to another node: Multi-Attach error for volume \"pvc-...\" Volume "
       "is already exclusively attached to one node and can't be attached to another."},
      {event("Warning", "FailedAttachVolume",
             "AttachVolume.Attach failed for volume \"pvc-0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0\" : disk not found"),
       "VolumeMountFailed: A volume of the pod cannot be mounted: AttachVolume.Attach failed for volume \"pvc-...\" : "
       "disk not found."},
      {event(
           "Warning", "FailedCreatePodSandBox",
           "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox "
           "\"7f0c2a9b4d5e6f708192a3b4c5d6e7f8\": plugin type=\"azure-vnet\" failed (add): Failed to allocate address: "
           "No available addresses"),
       "PodAddressesExhausted: The network of the nodes has no address left for a pod: failed to setup network for "
       "sandbox \"...\": plugin type=\"azure-vnet\" failed (add): Failed to allocate address: No available addresses."},
      {event("Warning", "FailedCreatePodSandBox",
             "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox runtime: no runtime "
             "for \"gvisor\" is configured"),
       "PodSandboxFailed: The node cannot make the pod's sandbox: failed to get sandbox runtime: no runtime for "
       "\"gvisor\" is configured."},
      {event("Warning", "FailedCreatePodSandBox",
             "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to reserve sandbox name "
             "\"pets-6d4b75cb6d-x2x5t_zoo_1\""),
       "PodSandboxFailed: The node cannot make the pod's sandbox: failed to reserve sandbox name \"..._zoo_1\"."},
      {event("Warning", "FailedToRetrieveImagePullSecret", "Unable to retrieve some image pull secrets"), "nothing"},
      {event("Normal", "Pulling", "Pulling image \"x\""), "nothing"},
  };
  for (const auto& [warning, expected] : cases) CHECK(text_of(warning) == expected);
}

TEST_CASE("a failure is over when something came after it, and of no account if it is another pod's") {
  const api::Event failed = event("Warning", "FailedMount", "x", "2026-01-31T08:00:05Z");
  CHECK_FALSE(diagnose_pod_events(creating(), {failed, event("Normal", "Pulling", "", "2026-01-31T08:00:09Z")}));
  CHECK(diagnose_pod_events(creating(), {failed, event("Normal", "Scheduled", "", "2026-01-31T08:00:05Z")}));
  api::Event foreign = failed;
  foreign.involved_uid = "other";
  CHECK_FALSE(diagnose_pod_events(creating(), {foreign}));
  CHECK_FALSE(diagnose_pod_events(creating(), {}));
}

TEST_CASE("a pod is being created from when it has a node until the first of its containers is made") {
  CHECK(is_being_created(creating()));
  api::Pod pod = creating();
  pod.node_name.clear();
  CHECK_FALSE(is_being_created(pod));
  pod = creating();
  pod.containers.push_back(pod.containers[0]);
  pod.containers[0].waiting_reason.clear();
  pod.containers[0].running = true;
  CHECK_FALSE(is_being_created(pod));
}
