#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "operator/api/condition.hpp"
#include "operator/api/object_meta.hpp"
#include "operator/api/packed_text.hpp"

namespace imageclassifier::api {

// What we read of apps/v1 Deployment and ReplicaSet and core/v1 Pod. Of their conditions only those are kept that the
// diagnosis asks for, without times, and without words when they are True.

struct Deployment {
  ObjectMeta metadata;
  std::int64_t replicas = 1;
  bool paused = false;  ///< spec.paused: no change reaches the pods
  std::int64_t observed_generation = 0;
  std::int64_t status_replicas = 0;
  std::int64_t updated_replicas = 0;
  std::int64_t ready_replicas = 0;
  std::int64_t available_replicas = 0;
  std::vector<Condition> conditions;
  PackedText owned;  ///< object_text.hpp, pack_owned_part
};

struct ReplicaSet {
  ObjectMeta metadata;
  std::int64_t replicas = 0;
  std::vector<Condition> conditions;
};

struct ContainerStatus {
  std::string name;
  bool init = false;
  bool ready = false;
  std::optional<bool> started;
  std::int64_t restart_count = 0;
  bool running = false;
  std::string waiting_reason;
  std::string waiting_message;
  /// state.terminated, else lastState.terminated.
  std::string terminated_reason;
  std::string terminated_message;
  std::optional<std::int64_t> exit_code;
  std::string memory_limit;  ///< spec.containers[].resources.limits.memory
  std::string image_digest;  ///< "sha256:...", by which the image was pulled; empty: not known
};

struct Pod {
  ObjectMeta metadata;  ///< with a creation timestamp only if the pod has ended
  std::string phase;
  std::string reason;   ///< status.reason, for example Evicted
  std::string message;  ///< status.message
  std::string node_name;
  std::vector<Condition> conditions;
  std::vector<ContainerStatus> containers;  ///< init containers first
  /// It was ready, and is so no longer: Ready became False after the last of its containers had started.
  bool lost_readiness = false;
};

/// From the API server's JSON; kInvalidArgument if it is not a JSON object.
Result<Deployment> decode_deployment(std::string_view json);
Result<ReplicaSet> decode_replica_set(std::string_view json);
Result<Pod> decode_pod(std::string_view json);

/// Whether the pod's Ready condition is True.
bool is_ready(const Pod& pod);

/// Whether none of its containers runs or will run again (phase Failed or Succeeded). A ReplicaSet makes another pod in
/// its place at once, and it is left lying.
bool has_ended(const Pod& pod);

}  // namespace imageclassifier::api
