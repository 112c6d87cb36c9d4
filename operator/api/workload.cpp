#include "operator/api/workload.hpp"

#include <algorithm>

#include "common/json_scan.hpp"
#include "operator/api/object_text.hpp"

namespace imageclassifier::api {
namespace {

/// state.terminated, else lastState.terminated.
std::string_view termination_in(std::string_view status) {
  const auto now = find_path(status, {"state", "terminated"});
  if (now && now->front() == '{') return *now;
  return find_path(status, {"lastState", "terminated"}).value_or("");
}

void read_state(ContainerStatus& status, std::string_view state) {
  status.running = find_member(state, "running").value_or("null").front() == '{';
  const std::string_view waiting = find_member(state, "waiting").value_or("");
  status.waiting_reason = find_string(waiting, {"reason"});
  status.waiting_message = find_string(waiting, {"message"});
}

/// Of "host/repository@sha256:..."; without a repository it is the configuration's digest, by which nothing is pulled.
std::string digest_in(const std::string& image_id) {
  const std::size_t at = image_id.rfind("@sha256:");
  return at == std::string::npos ? std::string() : image_id.substr(at + 1);
}

ContainerStatus decode_container_status(std::string_view json, bool init) {
  ContainerStatus status;
  status.init = init;
  for_each_member(json, [&](std::string_view key, std::string_view value) {
    if (key == "name") status.name = json_text(value);
    if (key == "ready") status.ready = json_boolean(value);
    if (key == "started" && (value == "true" || value == "false")) status.started = json_boolean(value);
    if (key == "restartCount") status.restart_count = json_integer(value).value_or(0);
    if (key == "state") read_state(status, value);
    if (key == "imageID") status.image_digest = digest_in(json_text(value));
    return true;
  });
  const std::string_view terminated = termination_in(json);
  status.terminated_reason = find_string(terminated, {"reason"});
  status.terminated_message = find_string(terminated, {"message"});
  status.exit_code = json_integer(find_member(terminated, "exitCode").value_or(""));
  return status;
}

std::string memory_limit_of(std::string_view containers, const std::string& name) {
  std::string limit;
  for_each_element(containers, [&](std::string_view container) {
    if (find_string(container, {"name"}) != name) return true;
    const std::string_view memory = find_path(container, {"resources", "limits", "memory"}).value_or("");
    limit = json_integer(memory) ? std::string(memory) : json_text(memory);
    return true;
  });
  return limit;
}

void add_containers(Pod& pod, std::string_view statuses, std::string_view specs, bool init) {
  for_each_element(statuses, [&](std::string_view json) {
    ContainerStatus status = decode_container_status(json, init);
    status.memory_limit = memory_limit_of(specs, status.name);
    pod.containers.push_back(std::move(status));
    return true;
  });
}

/// Nobody asks how old these are, but of pods that have ended.
ObjectMeta child_meta(std::string_view metadata) {
  ObjectMeta meta = decode_object_meta(metadata);
  meta.creation_timestamp = {};
  return meta;
}

/// The conditions of these types, cut to what is read.
std::vector<Condition> conditions_of(std::string_view list, std::initializer_list<const char*> types) {
  std::vector<Condition> kept;
  for_each_element(list, [&](std::string_view json) {
    Condition condition = decode_condition(json);
    if (std::find(types.begin(), types.end(), condition.type) == types.end()) return true;
    condition.last_transition_time = {};
    if (condition.status == "True" && condition.type != "ReplicaFailure") condition.reason = condition.message = {};
    kept.push_back(std::move(condition));
    return true;
  });
  return kept;
}

/// The times of both have whole seconds.
bool lost_readiness(std::string_view conditions, std::string_view containers) {
  std::string since, started;
  for_each_element(conditions, [&](std::string_view json) {
    const Condition condition = decode_condition(json);
    if (condition.type == "Ready" && condition.status == "False") since = condition.last_transition_time;
    return true;
  });
  for_each_element(containers, [&](std::string_view json) {
    started = std::max(started, find_string(json, {"state", "running", "startedAt"}));
    return true;
  });
  return !started.empty() && since > started;
}

std::int64_t replicas_in(std::string_view spec, std::int64_t otherwise) {
  return json_integer(find_member(spec, "replicas").value_or("")).value_or(otherwise);
}

void read_status(Deployment& deployment, std::string_view status) {
  for_each_member(status, [&](std::string_view key, std::string_view value) {
    if (key == "observedGeneration") deployment.observed_generation = json_integer(value).value_or(0);
    if (key == "replicas") deployment.status_replicas = json_integer(value).value_or(0);
    if (key == "updatedReplicas") deployment.updated_replicas = json_integer(value).value_or(0);
    if (key == "readyReplicas") deployment.ready_replicas = json_integer(value).value_or(0);
    if (key == "availableReplicas") deployment.available_replicas = json_integer(value).value_or(0);
    if (key == "conditions") deployment.conditions = conditions_of(value, {"ReplicaFailure", "Progressing"});
    return true;
  });
}

void read_status(Pod& pod, std::string_view status, std::string_view spec) {
  std::string_view containers, init_containers, conditions;
  for_each_member(status, [&](std::string_view key, std::string_view value) {
    if (key == "phase") pod.phase = json_text(value);
    if (key == "reason") pod.reason = json_text(value);
    if (key == "message") pod.message = json_text(value);
    if (key == "conditions") conditions = value;
    if (key == "initContainerStatuses") init_containers = value;
    if (key == "containerStatuses") containers = value;
    return true;
  });
  pod.conditions = conditions_of(conditions, {"Ready", "PodScheduled"});
  pod.lost_readiness = lost_readiness(conditions, containers);
  add_containers(pod, init_containers, find_member(spec, "initContainers").value_or(""), true);
  add_containers(pod, containers, find_member(spec, "containers").value_or(""), false);
}

}  // namespace

Result<Deployment> decode_deployment(std::string_view json) {
  const auto text = split_object(json, "Deployment");
  if (!text) return fail(text.error());
  Result<PackedText> owned = pack_owned_part(*text);
  if (!owned) return fail(owned.error());
  Deployment deployment;
  deployment.metadata = child_meta(text->metadata);
  deployment.replicas = replicas_in(text->spec, 1);
  deployment.paused = json_boolean(find_member(text->spec, "paused").value_or(""));
  read_status(deployment, text->status);
  deployment.owned = std::move(*owned);
  return deployment;
}

Result<ReplicaSet> decode_replica_set(std::string_view json) {
  const auto text = split_object(json, "ReplicaSet");
  if (!text) return fail(text.error());
  ReplicaSet replica_set;
  replica_set.metadata = child_meta(text->metadata);
  replica_set.replicas = replicas_in(text->spec, 0);
  replica_set.conditions = conditions_of(find_member(text->status, "conditions").value_or(""), {"ReplicaFailure"});
  return replica_set;
}

Result<Pod> decode_pod(std::string_view json) {
  const auto text = split_object(json, "Pod");
  if (!text) return fail(text.error());
  Pod pod;
  pod.metadata = child_meta(text->metadata);
  pod.node_name = find_string(text->spec, {"nodeName"});
  read_status(pod, text->status, text->spec);
  if (has_ended(pod)) pod.metadata.creation_timestamp = find_string(text->metadata, {"creationTimestamp"});
  return pod;
}

bool is_ready(const Pod& pod) {
  const Condition* ready = find_condition(pod.conditions, "Ready");
  return ready != nullptr && ready->status == "True";
}

bool has_ended(const Pod& pod) {
  return pod.phase == "Failed" || pod.phase == "Succeeded";
}

}  // namespace imageclassifier::api
