#include "operator/api/workload.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "operator/api/json_access.hpp"
#include "operator/api/owned_part.hpp"

namespace imageclassifier::api {
namespace {

ContainerStatus parse_container_status(const nlohmann::json& source, bool init) {
  ContainerStatus status;
  status.name = text_of(source, "name");
  status.init = init;
  status.ready = boolean_of(source, "ready");
  if (const nlohmann::json& started = member(source, "started"); started.is_boolean()) {
    status.started = started.get<bool>();
  }
  status.restart_count = integer_of(source, "restartCount");
  const nlohmann::json& state = member(source, "state");
  status.running = member(state, "running").is_object();
  status.waiting_reason = text_of(member(state, "waiting"), "reason");
  status.waiting_message = text_of(member(state, "waiting"), "message");
  const nlohmann::json* terminated = &member(state, "terminated");
  if (!terminated->is_object()) terminated = &member_at(source, {"lastState", "terminated"});
  status.terminated_reason = text_of(*terminated, "reason");
  status.terminated_message = text_of(*terminated, "message");
  status.exit_code = optional_integer_of(*terminated, "exitCode");
  return status;
}

void add_containers(Pod& pod, const nlohmann::json& statuses, const nlohmann::json& specs, bool init) {
  if (!statuses.is_array()) return;
  for (const auto& source : statuses) {
    ContainerStatus status = parse_container_status(source, init);
    if (specs.is_array()) {
      for (const auto& spec : specs) {
        if (text_of(spec, "name") != status.name) continue;
        status.memory_limit = scalar_text(member_at(spec, {"resources", "limits", "memory"}));
      }
    }
    pod.containers.push_back(std::move(status));
  }
}

/// Nobody asks how old these are.
ObjectMeta child_meta(const nlohmann::json& object) {
  ObjectMeta metadata = parse_object_meta(object);
  metadata.creation_timestamp = {};
  return metadata;
}

/// The conditions of these types, cut to what is read.
std::vector<Condition> conditions_of(const nlohmann::json& object, std::initializer_list<const char*> types) {
  std::vector<Condition> kept;
  for (Condition& condition : parse_conditions(member_at(object, {"status", "conditions"}))) {
    if (std::find(types.begin(), types.end(), condition.type) == types.end()) continue;
    condition.last_transition_time = {};
    if (condition.status == "True" && condition.type != "ReplicaFailure") condition.reason = condition.message = {};
    kept.push_back(std::move(condition));
  }
  kept.shrink_to_fit();
  return kept;
}

Deployment parse_deployment(const nlohmann::json& object) {
  Deployment deployment;
  deployment.metadata = child_meta(object);
  deployment.replicas = integer_of(member(object, "spec"), "replicas", 1);
  const nlohmann::json& status = member(object, "status");
  deployment.observed_generation = integer_of(status, "observedGeneration");
  deployment.status_replicas = integer_of(status, "replicas");
  deployment.updated_replicas = integer_of(status, "updatedReplicas");
  deployment.ready_replicas = integer_of(status, "readyReplicas");
  deployment.available_replicas = integer_of(status, "availableReplicas");
  deployment.conditions = conditions_of(object, {"ReplicaFailure", "Progressing"});
  return deployment;
}

ReplicaSet parse_replica_set(const nlohmann::json& object) {
  ReplicaSet replica_set;
  replica_set.metadata = child_meta(object);
  replica_set.replicas = integer_of(member(object, "spec"), "replicas");
  replica_set.conditions = conditions_of(object, {"ReplicaFailure"});
  return replica_set;
}

Pod parse_pod(const nlohmann::json& object) {
  Pod pod;
  pod.metadata = child_meta(object);
  const nlohmann::json& spec = member(object, "spec");
  const nlohmann::json& status = member(object, "status");
  pod.phase = text_of(status, "phase");
  pod.reason = text_of(status, "reason");
  pod.message = text_of(status, "message");
  pod.node_name = text_of(spec, "nodeName");
  pod.conditions = conditions_of(object, {"Ready", "PodScheduled"});
  add_containers(pod, member(status, "initContainerStatuses"), member(spec, "initContainers"), true);
  add_containers(pod, member(status, "containerStatuses"), member(spec, "containers"), false);
  return pod;
}

}  // namespace

Result<Deployment> decode_deployment(std::string_view json) {
  const nlohmann::json object = parse_lean(json, {"replicas"});
  if (!object.is_object()) return fail(ErrorCode::kInvalidArgument, "The Deployment is not a JSON object.");
  Deployment deployment = parse_deployment(object);
  Result<PackedText> owned = pack_owned_part(json);
  if (!owned) return fail(owned.error());
  deployment.owned = std::move(*owned);
  return deployment;
}

Result<ReplicaSet> decode_replica_set(std::string_view json) {
  const nlohmann::json object = parse_lean(json, {"replicas"});
  if (!object.is_object()) return fail(ErrorCode::kInvalidArgument, "The ReplicaSet is not a JSON object.");
  return parse_replica_set(object);
}

Result<Pod> decode_pod(std::string_view json) {
  const nlohmann::json object = parse_lean(json, {"nodeName", "containers", "initContainers"});
  if (!object.is_object()) return fail(ErrorCode::kInvalidArgument, "The Pod is not a JSON object.");
  return parse_pod(object);
}

bool is_ready(const Pod& pod) {
  const Condition* ready = find_condition(pod.conditions, "Ready");
  return ready != nullptr && ready->status == "True";
}

}  // namespace imageclassifier::api
