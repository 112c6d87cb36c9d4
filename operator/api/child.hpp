#pragma once

#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "operator/api/condition.hpp"
#include "operator/api/object_meta.hpp"
#include "operator/api/packed_text.hpp"

namespace imageclassifier::api {

/// A child of which nothing is read but what is compared with what we want: NetworkPolicy, PodDisruptionBudget,
/// HorizontalPodAutoscaler.
struct Child {
  ObjectMeta metadata;
  /// Of an autoscaler: ScalingActive, AbleToScale if it is not True, ScalingLimited if more than the maximum is wanted.
  /// Without times, and without words where they are as they should be.
  std::vector<Condition> conditions;
  PackedText owned;  ///< object_text.hpp, pack_owned_part
};

/// From the API server's JSON; kInvalidArgument if it is not a JSON object.
Result<Child> decode_child(std::string_view json);

}  // namespace imageclassifier::api
