#include "operator/diagnosis/workload.hpp"

#include <catch2/catch.hpp>
#include <string>

using namespace imageclassifier;
using namespace imageclassifier::diagnosis;

namespace {

/// A Deployment with an old and a current ReplicaSet and pods that a test adds.
class Scene {
 public:
  Scene() {
    classifier_.metadata.name = "pets";
    classifier_.spec.image = "contoso.azurecr.io/inference-server:demo";
    deployment_.metadata.uid = "deployment";
    old_ = replica_set("old", "1");
    current_ = replica_set("current", "2");
  }

  Scene& pod(api::Pod pod, const std::string& owner = "current") {
    pod.metadata.name = "pets-" + std::to_string(pods_.size());
    pod.metadata.owner_uid = owner;
    pods_.push_back(std::move(pod));
    return *this;
  }
  Scene& creation_fails(const std::string& message) {
    current_.conditions.push_back({"ReplicaFailure", "True", 0, "", "FailedCreate", message});
    return *this;
  }
  Scene& makes_no_progress(const std::string& message = "") {
    deployment_.conditions.push_back({"Progressing", "False", 0, "", "ProgressDeadlineExceeded", message});
    return *this;
  }

  Scene& wants(std::int64_t pods) {
    current_.replicas = pods;
    return *this;
  }
  Scene& paused(std::int64_t updated, std::int64_t all) {
    deployment_.paused = true;
    deployment_.updated_replicas = updated;
    deployment_.status_replicas = all;
    return *this;
  }

  std::optional<Finding> diagnose(std::optional<Finding> (*how)(const Workload&) = diagnose_workload) const {
    Workload workload;
    workload.classifier = &classifier_;
    workload.server = "contoso.azurecr.io";
    workload.credential_source = "Secret acr-credentials";
    workload.deployment = &deployment_;
    workload.replica_sets = {&old_, &current_};
    for (const api::Pod& pod : pods_) workload.pods.push_back(&pod);
    return how(workload);
  }
  std::string reason(std::optional<Finding> (*how)(const Workload&) = diagnose_workload) const {
    const auto finding = diagnose(how);
    return finding ? std::string(finding->name()) : "";
  }

 private:
  static api::ReplicaSet replica_set(const std::string& uid, const std::string& revision) {
    api::ReplicaSet made;
    made.metadata.uid = made.metadata.name = uid;
    made.metadata.owner_uid = "deployment";
    made.metadata.revision = std::stoll(revision);
    return made;
  }

  api::ImageClassifier classifier_;
  api::Deployment deployment_;
  api::ReplicaSet old_, current_;
  std::vector<api::Pod> pods_;
};

api::Pod waiting(const std::string& reason, const std::string& message = {}) {
  api::Pod pod;
  api::ContainerStatus status;
  status.name = "server";
  status.waiting_reason = reason;
  status.waiting_message = message;
  pod.containers.push_back(status);
  return pod;
}

api::Pod crashed(const std::string& reason, std::int64_t exit_code, const std::string& message = {}) {
  api::Pod pod =
      waiting("CrashLoopBackOff", "back-off 5m0s restarting failed container=server pod=pets-7d_default(0b1c)");
  pod.containers[0].restart_count = 3;
  pod.containers[0].terminated_reason = reason;
  pod.containers[0].terminated_message = message;
  pod.containers[0].exit_code = exit_code;
  pod.containers[0].memory_limit = "2Gi";
  return pod;
}

api::Pod unschedulable(const std::string& message) {
  api::Pod pod;
  pod.conditions.push_back({"PodScheduled", "False", 0, "", "Unschedulable", message});
  return pod;
}

api::Pod ready() {
  api::Pod pod;
  pod.conditions.push_back({"Ready", "True", 0, "", "", ""});
  return pod;
}

api::Pod ended(const std::string& reason, const std::string& created = "2026-01-01T00:00:00Z") {
  api::Pod pod;
  pod.phase = "Failed";
  pod.reason = reason;
  pod.metadata.creation_timestamp = created;
  return pod;
}

const char* const kNotFound =
    "rpc error: code = NotFound desc = failed to pull and unpack image \"contoso.azurecr.io/inference-server:demo\": "
    "failed "
    "to resolve reference \"contoso.azurecr.io/inference-server:demo\": contoso.azurecr.io/inference-server:demo: not "
    "found";

}  // namespace

TEST_CASE("ready pods and pods that are just starting give no finding") {
  CHECK(Scene().reason().empty());
  CHECK(Scene().pod(ready()).reason().empty());
  CHECK(Scene().pod(waiting("ContainerCreating")).reason().empty());
}

TEST_CASE("both names of a failed pull give the same finding") {
  const auto first = Scene().pod(waiting("ErrImagePull", kNotFound)).diagnose();
  const auto second =
      Scene()
          .pod(waiting("ImagePullBackOff", std::string("Back-off pulling image \"x\": ErrImagePull: ") + kNotFound))
          .diagnose();
  REQUIRE(first);
  REQUIRE(second);
  CHECK(first->name() == "ManifestUnknown");
  CHECK(first->text() == second->text());
  CHECK(first->pod_name == "pets-0");
  CHECK(first->container_name == "server");
}

TEST_CASE("the registry and the Secret with a refused credential are named") {
  const auto finding = Scene()
                           .pod(waiting("ErrImagePull",
                                        "rpc error: code = Unknown desc = failed to pull and unpack image: failed "
                                        "to fetch oauth token: unexpected status: 401 Unauthorized"))
                           .diagnose();
  REQUIRE(finding);
  CHECK(finding->name() == "CredentialRefused");
  CHECK(finding->message.find("contoso.azurecr.io") != std::string::npos);
  CHECK(finding->message.find("Secret acr-credentials") != std::string::npos);
}

TEST_CASE("a revision is hopeless when its pods end again and again, or say that they never can; not after one crash") {
  const char* own = R"({"reason": "SelfTestFailed", "message": "a cat was seen"})";
  CHECK(Scene().pod(crashed("Error", 1)).reason(diagnose_hopeless) == "CrashLoop");
  CHECK(Scene().pod(crashed("Error", 78, own)).reason(diagnose_hopeless) == "SelfTestFailed");
  api::Pod ended = crashed("Error", 78, own);
  ended.containers[0].waiting_reason.clear();
  CHECK(Scene().pod(ended).reason(diagnose_hopeless) == "SelfTestFailed");
  ended.containers[0].exit_code = 1;
  ended.containers[0].terminated_message.clear();
  CHECK(Scene().pod(ended).reason(diagnose_hopeless).empty());
  const char* away = R"({"reason": "ModelUnavailable", "message": "connection refused"})";
  CHECK(Scene().pod(crashed("Error", 1, away)).reason(diagnose_hopeless).empty());
  CHECK(Scene().pod(crashed("Error", 1), "old").reason(diagnose_hopeless).empty());
  CHECK(Scene().pod(waiting("ErrImagePull", kNotFound)).reason(diagnose_hopeless).empty());
}

TEST_CASE("a passed deadline is told by its cause, and does not count for a pod that waits for room or a quota") {
  const std::string late = R"(ReplicaSet "current" has timed out progressing.)";
  CHECK(Scene().makes_no_progress(late).reason(diagnose_hopeless) == "ProgressDeadlineExceeded");
  CHECK(Scene().makes_no_progress(late).pod(waiting("ErrImagePull", kNotFound)).reason(diagnose_hopeless) ==
        "ManifestUnknown");
  CHECK(Scene().makes_no_progress(R"(ReplicaSet "old" has timed out progressing.)").reason(diagnose_hopeless).empty());
  CHECK(Scene().makes_no_progress(late).creation_fails("quota").reason(diagnose_hopeless) == "PodCreationForbidden");
  CHECK(Scene().makes_no_progress(late).creation_fails("quota").pod(ready(), "old").reason(diagnose_hopeless).empty());
  const std::string full = "0/1 nodes are available: 1 Insufficient cpu. preemption: none";
  CHECK(Scene().makes_no_progress(late).pod(ready(), "old").pod(unschedulable(full)).reason(diagnose_hopeless).empty());
  CHECK(Scene().makes_no_progress(late).pod(unschedulable(full)).reason(diagnose_hopeless) == "Unschedulable");
}

TEST_CASE("a few pods that end again and again do not speak for a revision whose others do not") {
  CHECK(Scene().pod(crashed("Error", 1)).pod(ready()).reason(diagnose_hopeless).empty());
  CHECK(Scene().pod(crashed("Error", 1)).pod(api::Pod()).reason(diagnose_hopeless).empty());
  CHECK(Scene().pod(crashed("Error", 1)).pod(ready()).reason() == "CrashLoop");
  CHECK(Scene().pod(crashed("Error", 1)).pod(crashed("Error", 1)).pod(ready()).reason(diagnose_hopeless) ==
        "CrashLoop");
  CHECK(Scene().pod(crashed("Error", 1)).pod(ready(), "old").reason(diagnose_hopeless) == "CrashLoop");
  api::Pod going = ready();
  going.metadata.deleting = true;
  CHECK(Scene().pod(crashed("Error", 1)).pod(going).reason(diagnose_hopeless) == "CrashLoop");
  const std::string late = R"(ReplicaSet "current" has timed out progressing.)";
  CHECK(Scene().makes_no_progress(late).pod(crashed("Error", 1)).pod(ready()).reason(diagnose_hopeless) == "CrashLoop");
}

TEST_CASE("a passed deadline does not count while a pod fetches or loads its model for the first time") {
  const std::string late = R"(ReplicaSet "current" has timed out progressing.)";
  const auto running = [](bool init, std::optional<bool> started) {
    api::Pod pod = waiting("");
    pod.containers[0].running = true;
    pod.containers[0].init = init;
    pod.containers[0].started = started;
    return pod;
  };
  for (const api::Pod& loading : {running(true, {}), running(false, false)}) {
    CHECK(Scene().makes_no_progress(late).pod(loading).reason(diagnose_hopeless).empty());
    CHECK(Scene().makes_no_progress(late).pod(loading).reason() == "ModelLoading");
    api::Pod again = loading;
    again.containers[0].restart_count = 1;
    CHECK(Scene().makes_no_progress(late).pod(again).reason(diagnose_hopeless) == "ProgressDeadlineExceeded");
    api::Pod going = loading;
    going.metadata.deleting = true;
    CHECK(Scene().makes_no_progress(late).pod(going).reason(diagnose_hopeless) == "ProgressDeadlineExceeded");
    CHECK(Scene().makes_no_progress(late).pod(loading, "old").reason(diagnose_hopeless) == "ProgressDeadlineExceeded");
  }
  // A sidecar that runs beside a server which is up, but not ready.
  api::Pod unready = running(true, true);
  unready.containers[0].ready = true;
  unready.containers.push_back(running(false, true).containers[0]);
  CHECK(Scene().makes_no_progress(late).pod(unready).reason(diagnose_hopeless) == "ProgressDeadlineExceeded");
}

TEST_CASE("a pod without room blocks a rollout only while pods of an earlier revision serve") {
  const std::string full = "0/1 nodes are available: 1 Insufficient cpu. preemption: none";
  const auto found = Scene().pod(ready(), "old").pod(unschedulable(full)).diagnose(diagnose_blocked);
  REQUIRE(found);
  CHECK(found->message.find("1 Insufficient cpu.") != std::string::npos);
  CHECK(found->message.find("preemption") == std::string::npos);
  CHECK(Scene().pod(unschedulable(full)).reason(diagnose_blocked).empty());
  CHECK(Scene().pod(ready()).pod(unschedulable(full)).reason(diagnose_blocked).empty());
  CHECK(Scene().pod(ready(), "old").pod(ready()).reason(diagnose_blocked).empty());
}

TEST_CASE("other waiting reasons of the kubelet are translated") {
  CHECK(Scene().pod(waiting("InvalidImageName", "couldn't parse image name")).reason() == "InvalidReference");
  CHECK(Scene().pod(waiting("ErrImageNeverPull")).reason() == "ImageNotPresent");
  CHECK(Scene().pod(waiting("CreateContainerConfigError", "secret \"x\" not found")).reason() ==
        "ContainerConfigInvalid");
  CHECK(Scene().pod(waiting("CreateContainerError", "no command specified")).reason() == "ContainerStartFailed");
  CHECK(Scene().pod(waiting("RunContainerError", "exec: \"serve\": not found")).reason() == "ContainerStartFailed");
}

TEST_CASE("a crash is explained by how the container ended") {
  CHECK(Scene().pod(crashed("OOMKilled", 137)).reason() == "OOMKilled");
  CHECK(Scene().pod(crashed("OOMKilled", 137)).diagnose()->message.find("2Gi") != std::string::npos);
  CHECK(Scene().pod(crashed("Error", 137)).reason() == "ProbeFailing");
  CHECK(Scene().pod(crashed("Error", 1)).reason() == "CrashLoop");
  CHECK(Scene().pod(crashed("Error", 1)).diagnose()->exit_code == 1);
  CHECK(Scene().pod(crashed("StartError", 128, "exec /usr/bin/inference-server: exec format error")).reason() ==
        "PlatformMismatch");
  CHECK(Scene().pod(crashed("StartError", 128, "no such file")).reason() == "ContainerStartFailed");
}

TEST_CASE("the server's own words in the termination log are the reason") {
  for (const std::string reason :
       {"ModelInvalid", "ModelDigestMismatch", "ModelUnavailable", "SelfTestFailed", "ConfigurationInvalid"}) {
    const auto finding =
        Scene().pod(crashed("Error", 78, R"({"reason":")" + reason + R"(","message":"It is so."})")).diagnose();
    REQUIRE(finding);
    CHECK(finding->name() == reason);
    CHECK(finding->message.find("It is so") != std::string::npos);
  }
  CHECK(Scene().pod(crashed("Error", 78, "not JSON")).reason() == "CrashLoop");
  CHECK(Scene().pod(crashed("Error", 78, R"({"reason":"Ready","message":"ha"})")).reason() == "CrashLoop");
  CHECK(Scene().pod(crashed("Error", 78, R"({"reason":7})")).reason() == "CrashLoop");
}

TEST_CASE("a model that cannot be fetched is the cause, not the server that waits for it") {
  const auto scene = [](const std::string& message) {
    api::Pod pod = waiting("PodInitializing");
    api::ContainerStatus fetch = crashed("Error", 1, message).containers[0];
    fetch.name = "fetch-model";
    fetch.init = true;
    pod.containers.insert(pod.containers.begin(), fetch);
    return Scene().pod(pod).diagnose();
  };
  const auto finding = scene(R"({"reason":"ModelUnavailable","message":"HTTP status 404"})");
  REQUIRE(finding);
  CHECK(finding->name() == "ModelUnavailable");
  CHECK(finding->message == "The model file cannot be downloaded: HTTP status 404.");
  CHECK(finding->container_name == "fetch-model");
  CHECK(scene("")->remedy == "Read the log: kubectl logs deployment/pets -c fetch-model --previous.");
}

TEST_CASE("what the scheduler says is kept without the part that changes from try to try") {
  const auto finding =
      Scene()
          .pod(unschedulable("0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No "
                             "preemption victims found for incoming pod."))
          .diagnose();
  REQUIRE(finding);
  CHECK(finding->name() == "Unschedulable");
  CHECK(finding->message == "No node can take the pod: 0/1 nodes are available: 1 Insufficient cpu.");
}

TEST_CASE("a refusal to make pods is reported without the pod's generated name and what is used at the moment") {
  const auto finding =
      Scene()
          .creation_fails(
              "pods \"pets-7d4f-abcde\" is forbidden: exceeded quota: few, requested: pods=1,memory=1Gi, "
              "used: pods=1,memory=3Gi, limited: pods=1,memory=3Gi")
          .diagnose();
  REQUIRE(finding);
  CHECK(finding->name() == "PodCreationForbidden");
  CHECK(finding->message ==
        "Pods of Deployment pets may not be made: exceeded quota: few, requested: pods=1,memory=1Gi, limited: "
        "pods=1,memory=3Gi.");
}

TEST_CASE("pods of earlier revisions and pods that are being deleted do not count") {
  api::Pod going = crashed("Error", 1);
  going.metadata.deleting = true;
  CHECK(Scene().pod(crashed("Error", 1), "old").pod(going).reason().empty());
}

TEST_CASE(
    "a pod that has ended is told until a node has taken another one in its place, and never beside another cause") {
  CHECK(Scene().wants(1).pod(ended("Evicted")).reason() == "PodEvicted");
  CHECK(Scene().wants(1).pod(ended("Evicted")).pod(api::Pod()).reason() == "PodEvicted");
  CHECK(Scene().wants(1).pod(ended("Evicted")).pod(waiting("ContainerCreating")).reason().empty());
  CHECK(Scene().wants(2).pod(ended("Evicted")).pod(waiting("ContainerCreating")).reason() == "PodEvicted");
  CHECK(Scene().wants(1).pod(ended("Evicted")).pod(unschedulable("0/1")).reason() == "Unschedulable");
  CHECK(Scene().wants(1).pod(ended("Evicted")).pod(crashed("Error", 1)).reason() == "CrashLoop");
  CHECK(Scene().wants(1).pod(ended("Evicted"), "old").reason().empty());
  // A node that refuses one after the other.
  CHECK(Scene()
            .wants(1)
            .pod(ended("OutOfcpu", "2026-01-02T00:00:00Z"))
            .pod(ended("Evicted", "2026-01-01T00:00:00Z"))
            .pod(api::Pod())
            .reason() == "PodRejected");
}

TEST_CASE("pods that have ended, and were replaced, do not speak for or against a revision") {
  api::Pod gone = crashed("Error", 78);
  gone.phase = "Failed";
  gone.reason = "Evicted";
  CHECK(Scene().pod(gone).pod(gone).pod(ready()).reason(diagnose_hopeless).empty());
  CHECK(Scene().pod(gone).pod(ended("Evicted")).pod(crashed("Error", 1)).reason(diagnose_hopeless) == "CrashLoop");
}

TEST_CASE("a pause is told while it keeps a change from the pods") {
  CHECK(Scene().paused(0, 2).reason(diagnose_pause) == "DeploymentPaused");
  CHECK(Scene().paused(1, 2).reason(diagnose_pause) == "DeploymentPaused");
  CHECK(Scene().paused(2, 2).reason(diagnose_pause).empty());
  CHECK(Scene().reason(diagnose_pause).empty());
  CHECK(Scene()
            .paused(0, 2)
            .diagnose(diagnose_pause)
            ->remedy.starts_with("Resume it: kubectl rollout resume deployment/pets;"));
}

TEST_CASE("of several pods the deepest cause is reported, in whatever order they come") {
  CHECK(Scene().pod(unschedulable("0/1")).pod(waiting("ErrImagePull", kNotFound)).reason() == "ManifestUnknown");
  CHECK(Scene().pod(waiting("ErrImagePull", kNotFound)).pod(unschedulable("0/1")).reason() == "ManifestUnknown");
}

TEST_CASE("the progress deadline is reported only when nothing else explains it") {
  CHECK(Scene().makes_no_progress().reason() == "ProgressDeadlineExceeded");
  CHECK(Scene().makes_no_progress().pod(crashed("OOMKilled", 137)).reason() == "OOMKilled");
}
