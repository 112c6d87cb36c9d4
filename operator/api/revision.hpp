#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/result.hpp"
#include "operator/api/object_meta.hpp"
#include "operator/api/packed_text.hpp"

namespace imageclassifier::api {

/// What is known of a revision beside its pod template, which never changes. It stands on the object itself, so that
/// it outlives the operator and the status of the resource.
struct RevisionMarks {
  std::int64_t number = 0;     ///< `revision`: the highest is the one that was wanted last
  std::string specification;   ///< what the user says of the pods, see resources::specification_digest
  std::int64_t completed = 0;  ///< the highest was rolled out last; 0: never was
  std::string failure;  ///< why it is not to be tried again, as JSON {reason, message, remedy}; empty: nothing known
  friend bool operator==(const RevisionMarks&, const RevisionMarks&) = default;
};

inline constexpr const char* kSpecificationAnnotation = "imageclassifier.dev/specification";
inline constexpr const char* kCompletedAnnotation = "imageclassifier.dev/completed";
inline constexpr const char* kFailureAnnotation = "imageclassifier.dev/failure";

/// An apps/v1 ControllerRevision that holds a pod template of ours.
struct Revision {
  ObjectMeta metadata;
  RevisionMarks marks;
  PackedText owned;  ///< labels, annotations, owner references, data and revision, in the shape of the object
};

/// From the API server's JSON; kInvalidArgument if it is not a JSON object.
Result<Revision> decode_revision(std::string_view json);

/// spec.template that the revision holds, as JSON.
std::string template_of(const Revision& revision);

}  // namespace imageclassifier::api
