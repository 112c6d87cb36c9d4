#include "operator/diagnosis/pod.hpp"

#include <catch2/catch.hpp>
#include <string>

using namespace imageclassifier;
using namespace imageclassifier::diagnosis;

namespace {

const std::string kUid = "0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0";

struct Scene {
  api::ImageClassifier classifier;
  std::string credential_source;
  std::string missing_pull_secret;
  std::string found_for;

  Scene() {
    classifier.metadata.name = "pets";
    classifier.metadata.namespace_name = "zoo";
    classifier.spec.image = "contoso.azurecr.io/x:1";
  }
  std::optional<Finding> diagnose(const api::Pod& pod) const {
    Workload workload;
    workload.classifier = &classifier;
    workload.server = "contoso.azurecr.io";
    workload.credential_source = credential_source;
    workload.missing_pull_secret = missing_pull_secret;
    workload.found_for = found_for;
    return diagnose_pod(workload, pod);
  }
  std::string text(const api::Pod& pod) const {
    const auto finding = diagnose(pod);
    return finding ? std::string(finding->name()) + ": " + finding->message : "nothing";
  }
};

api::Pod pod_with(const api::ContainerStatus& status) {
  api::Pod pod;
  pod.metadata.name = "pets-6d4b75cb6d-x2x5t";
  pod.node_name = "node";
  pod.containers.push_back(status);
  pod.containers[0].name = "server";
  return pod;
}

api::Pod waiting(const std::string& reason, const std::string& message) {
  api::ContainerStatus status;
  status.waiting_reason = reason;
  status.waiting_message = message;
  return pod_with(status);
}

api::Pod running(bool container_ready, const std::string& status, const std::string& reason,
                 const std::string& message = "") {
  api::ContainerStatus server;
  server.running = true;
  server.started = true;
  server.ready = container_ready;
  api::Pod pod = pod_with(server);
  pod.conditions.push_back({"Ready", status, 0, "", reason, message});
  return pod;
}

api::Pod ended(const std::string& reason, const std::string& message) {
  api::Pod pod;
  pod.metadata.name = "pets-6d4b75cb6d-x2x5t";
  pod.phase = "Failed";
  pod.reason = reason;
  pod.message = message;
  return pod;
}

}  // namespace

TEST_CASE("a pod that has ended says why, without the figures of the moment") {
  const std::pair<api::Pod, const char*> cases[] = {
      {ended("Evicted",
             "The node was low on resource: memory. Threshold quantity: 100Mi, available: 85Mi. Container server was "
             "using 1234Ki, request is 0, has larger consumption of memory. "),
       "PodEvicted: A node evicted the pod: The node was low on resource: memory."},
      {ended("Evicted", "Pod was rejected: The node had condition: [DiskPressure]. "),
       "PodEvicted: A node evicted the pod: The node had condition: [DiskPressure]."},
      {ended("Preempting", "Preempted in order to admit critical pod"),
       "PodPreempted: A node gave the room of the pod to a more important one: Preempted in order to admit critical "
       "pod."},
      {ended("Terminated", "Pod was terminated in response to imminent node shutdown."),
       "NodeShutdown: A node that shuts down ended or refused the pod."},
      {ended("NodeShutdown", "Pod was rejected as the node is shutting down."),
       "NodeShutdown: A node that shuts down ended or refused the pod."},
      {ended("NodeLost", "Node aks-1 which was running pod pets is unresponsive"),
       "NodeLost: The node of the pod no longer answers."},
      {ended("OutOfcpu",
             "Pod was rejected: Node didn't have enough resource: cpu, requested: 1000, used: 1500, capacity: 2000"),
       "PodRejected: A node refuses the pod that the scheduler has given it: OutOfcpu: Node didn't have enough "
       "resource: "
       "cpu, requested: 1000."},
      {ended("OutOfpods", "Node didn't have enough resource: pods, requested: 1, used: 30, capacity: 30"),
       "PodRejected: A node refuses the pod that the scheduler has given it: OutOfpods: Node didn't have enough "
       "resource: "
       "pods, requested: 1."},
      {ended("UnexpectedAdmissionError",
             "Pod was rejected: Allocate failed due to requested number of devices unavailable for nvidia.com/gpu. "
             "Requested: 1, Available: 0, which is unexpected"),
       "PodRejected: A node refuses the pod that the scheduler has given it: UnexpectedAdmissionError: Allocate failed "
       "due to requested number of devices unavailable for nvidia.com/gpu."},
      {ended("NodeAffinity",
             "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node "
             "affinity/selector"),
       "PodRejected: A node refuses the pod that the scheduler has given it: NodeAffinity: Predicate NodeAffinity "
       "failed: node(s) didn't match Pod's node affinity/selector."},
      {ended("TopologyAffinityError", "Resources cannot be allocated with Topology locality"),
       "PodRejected: A node refuses the pod that the scheduler has given it: TopologyAffinityError: Resources cannot "
       "be "
       "allocated with Topology locality."},
  };
  for (const auto& [pod, expected] : cases) CHECK(Scene().text(pod) == expected);
}

TEST_CASE("a pod on a node that has fallen silent is told from one whose server is not ready") {
  const std::string lost = "NodeLost: The node of the pod no longer answers.";
  CHECK(Scene().text(running(true, "Unknown", "NodeStatusUnknown")) == lost);
  // The node controller turns the condition and leaves all else as it was.
  CHECK(Scene().text(running(true, "False", "")) == lost);
  CHECK(Scene().text(running(false, "False", "ContainersNotReady")) == "nothing");
}

TEST_CASE("a server that was ready and is so no longer does not count as being started") {
  api::Pod pod = running(false, "False", "ContainersNotReady");
  pod.lost_readiness = true;
  const std::string failing =
      "ReadinessFailing: The server runs, but no longer passes its readiness probe, so that no request reaches it.";
  CHECK(Scene().text(pod) == failing);
  // How it ended before it was ready is history.
  pod.containers[0].restart_count = 1;
  pod.containers[0].exit_code = 137;
  CHECK(Scene().text(pod) == failing);
  pod.containers[0].running = false;
  CHECK(Scene().diagnose(pod)->name() == "ProbeFailing");
}

TEST_CASE("a readiness gate that is not met is named") {
  const std::string gate =
      R"(corresponding condition of pod readiness gate "target-health.elbv2.k8s.aws/pets" does not exist.)";
  CHECK(Scene().text(running(true, "False", "ReadinessGatesNotReady", gate)) ==
        "ReadinessGateNotMet: The server is ready, but a readiness gate of its pod is not: corresponding condition of "
        "pod readiness gate \"target-health.elbv2.k8s.aws/pets\" does not exist.");
}

TEST_CASE("an image whose user the node refuses is told from an object that is missing") {
  const std::string where = " (pod: \"pets-6d4b75cb6d-x2x5t_zoo(" + kUid + ")\", container: server)";
  CHECK(Scene().text(
            waiting("CreateContainerConfigError", "container has runAsNonRoot and image will run as root" + where)) ==
        "ImageUserRefused: The node refuses the user of image contoso.azurecr.io/x:1: container has runAsNonRoot and "
        "image will run as root.");
  CHECK(Scene().text(waiting("CreateContainerConfigError",
                             "container has runAsNonRoot and image has non-numeric user (app), cannot verify user is "
                             "non-root" +
                                 where)) ==
        "ImageUserRefused: The node refuses the user of image contoso.azurecr.io/x:1: container has runAsNonRoot and "
        "image has non-numeric user (app), cannot verify user is non-root.");
  CHECK_THAT(Scene().diagnose(waiting("CreateContainerConfigError", "runAsNonRoot"))->remedy,
             Catch::Contains("USER 65532"));
  CHECK(Scene().text(waiting("CreateContainerConfigError", "secret \"x\" not found")) ==
        "ContainerConfigInvalid: The container cannot be made: secret \"x\" not found.");
  CHECK(Scene().text(waiting("CreateContainerError",
                             "failed to reserve container name \"server_pets-6d4b75cb6d-x2x5t_zoo_" + kUid + "_0\"")) ==
        "ContainerStartFailed: The container of image contoso.azurecr.io/x:1 does not start: failed to reserve "
        "container name \"server_..._zoo_..._0\".");
}

TEST_CASE("the kubelet's own reasons of a pull are told each in its words") {
  const auto name = [](const std::string& reason, const std::string& message) {
    return std::string(Scene().diagnose(waiting(reason, message))->name());
  };
  CHECK(name("ImageInspectError",
             "Failed to inspect image \"x\": rpc error: code = DeadlineExceeded desc = context "
             "deadline exceeded") == "ImageUnreadable");
  CHECK(name("RegistryUnavailable", "image pull failed for x because the registry is unavailable") ==
        "RegistryUnreachable");
  CHECK(name("RegistryUnavailable",
             "image pull failed for x because the registry is unavailable: dial tcp: lookup x: "
             "no such host") == "RegistryUnreachable");
  CHECK(name("SignatureValidationFailed", "image pull failed for x because the signature validation failed") ==
        "SignatureRefused");
  CHECK(name("ImagePullBackOff",
             "Back-off pulling image \"x\": SignatureValidationFailed: image pull failed for x "
             "because the signature validation failed: Source image rejected") == "SignatureRefused");
  CHECK(name("ErrImageNeverPull", "Container image \"x\" is not present with pull policy of Never") ==
        "ImageNotPresent");
}

TEST_CASE("a pull that is refused while a Secret of spec.pod.imagePullSecrets is missing names that Secret") {
  Scene scene;
  scene.classifier.spec.pod.image_pull_secrets = {"team", "gone"};
  const std::string refused = "failed to pull: unexpected status code [manifests 1]: ";
  CHECK(scene.text(waiting("ErrImagePull", refused + "401 Unauthorized")) ==
        "CredentialRefused: The registry contoso.azurecr.io refuses the credential from the Secrets of "
        "spec.pod.imagePullSecrets for image contoso.azurecr.io/x:1.");
  scene.missing_pull_secret = "gone";
  for (const char* why : {"401 Unauthorized", "403 Forbidden",
                          "pull access denied, repository does not exist or may require authorization"}) {
    CHECK(
        scene.text(waiting("ImagePullBackOff", refused + why)) ==
        "PullSecretMissing: Secret gone, which spec.pod.imagePullSecrets names, does not exist in namespace zoo, and "
        "the registry contoso.azurecr.io does not give the image contoso.azurecr.io/x:1 without the right credential.");
  }
  CHECK(scene.diagnose(waiting("ErrImagePull", refused + "i/o timeout"))->name() == "RegistryUnreachable");
}

TEST_CASE("what the kubelet waits for in words that are not known is told in its words") {
  CHECK(Scene().text(waiting("SomethingNew", "the volume of pets-6d4b75cb6d-x2x5t is odd.")) ==
        "ContainerWaiting: The container server waits: SomethingNew: the volume of ... is odd.");
  CHECK(Scene().text(waiting("SomethingNew", "")) == "nothing");
  CHECK(Scene().text(waiting("PodInitializing", "on its way")) == "nothing");
}

TEST_CASE("the container that was killed is named, whether it serves or only prepares the pod") {
  api::ContainerStatus status;
  status.exit_code = 137;
  status.terminated_reason = "OOMKilled";
  status.memory_limit = "2Gi";
  api::Pod pod = pod_with(status);
  CHECK(Scene().text(pod) ==
        "OOMKilled: The container server was killed because it used more memory than its limit of 2Gi.");
  pod.containers[0].name = "fetch-model";
  pod.containers[0].init = true;
  CHECK(Scene().text(pod) ==
        "OOMKilled: The container fetch-model was killed because it used more memory than its limit of 2Gi.");
  pod.containers[0].terminated_reason = "Error";
  CHECK(Scene().diagnose(pod)->name() == "CrashLoop");
}

TEST_CASE("of pods without a node those are told apart that want no room: at a gate, and before an unbound claim") {
  api::Pod pod;
  pod.conditions.push_back(
      {"PodScheduled", "False", 0, "", "SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates"});
  CHECK(Scene().diagnose(pod)->name() == "SchedulingGated");
  CHECK(!diagnose_room(pod));
  pod.conditions[0] = {"PodScheduled",
                       "False",
                       0,
                       "",
                       "Unschedulable",
                       "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/3"};
  CHECK(Scene().diagnose(pod)->name() == "Unschedulable");
  CHECK(!diagnose_room(pod));
  Scene scene;
  scene.classifier.spec.model.source = api::VolumeFile{"models", "/a.safetensors"};
  CHECK(scene.text(pod) ==
        "VolumeClaimUnbound: No node can take the pod before PersistentVolumeClaim models is bound to a volume: 0/3 "
        "nodes are available: pod has unbound immediate PersistentVolumeClaims.");
  CHECK_THAT(scene.diagnose(pod)->remedy, Catch::Contains("kubectl describe pvc models;"));
  pod.conditions[0].message = "0/3 nodes are available: 3 Insufficient cpu.";
  CHECK(scene.diagnose(pod)->name() == "Unschedulable");
  CHECK(diagnose_room(pod)->name() == "RolloutBlocked");
}

TEST_CASE("what the operator has found in the registry narrows down why a node cannot pull it") {
  const std::string anonymous = "failed to fetch anonymous token: unexpected status: 401 Unauthorized";
  const api::Pod alone = waiting("ErrImagePull", anonymous);
  const api::Pod foreign = waiting("ErrImagePull", "no match for platform in manifest sha256:1: not found");
  const api::Pod away = waiting("ErrImagePull", "dial tcp 10.0.0.1:443: i/o timeout");
  const api::Pod ahead =
      waiting("ErrImagePull",
              "tls: failed to verify certificate: x509: certificate has expired or is not yet valid: "
              "current time 2027-11-27T00:00:00Z is after 2027-01-01T00:00:00Z");
  Scene scene;
  CHECK_THAT(scene.text(alone), !Catch::Contains("The operator"));
  CHECK_THAT(scene.text(ahead), Catch::Contains("TLSUntrusted"));
  scene.found_for = "linux/arm64";
  CHECK_THAT(scene.text(ahead), Catch::Contains("NodeClockSkew") && !Catch::Contains("2027"));
  CHECK_THAT(scene.text(alone), Catch::Contains("CredentialMissing"));
  scene.credential_source = "Secret acr-credentials";
  CHECK_THAT(scene.text(alone),
             Catch::Contains("CredentialNotAttached") && Catch::Contains("pull Secret is not attached"));
  CHECK_THAT(scene.diagnose(alone)->remedy, !Catch::Contains("spec.registry.auth"));
  CHECK_THAT(scene.text(foreign), Catch::Contains("PlatformMismatch") && Catch::Contains("built for linux/arm64."));
  const api::Pod wrong = waiting("ErrImagePull", "failed to fetch oauth token: unexpected status: 401 Unauthorized");
  CHECK(scene.diagnose(wrong)->name() == "CredentialRefused");
  scene.classifier.spec.auth = api::ServicePrincipal{};
  CHECK(scene.diagnose(wrong)->name() == "MintedCredentialRefused");
  CHECK_THAT(scene.diagnose(wrong)->remedy, !Catch::Contains("password"));
  CHECK_THAT(scene.text(away), Catch::Contains("RegistryUnreachable") && Catch::Contains("between it and that node"));
}
