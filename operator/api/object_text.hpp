#pragma once

#include <string_view>

#include "common/result.hpp"
#include "operator/api/packed_text.hpp"

namespace imageclassifier::api {

/// The parts of an API object as the JSON text that the server sent: views into it, "" for what is missing. No tree is
/// made of an object, because a cache reads hundreds of megabytes of them and keeps little.
struct ObjectText {
  std::string_view metadata;
  std::string_view spec;
  std::string_view status;
};

/// kInvalidArgument if `json` is no JSON object, or one of the parts is a broken one; `kind` is for the message. Deeper
/// down only brackets and quotes are checked.
Result<ObjectText> split_object(std::string_view json, const char* kind);

/// metadata.labels, metadata.annotations, metadata.ownerReferences and spec, as the server wrote them, in the shape of
/// an object: for comparing with what we want (resources::first_drift). kInvalidArgument if they are no valid JSON.
Result<PackedText> pack_owned_part(const ObjectText& object);

}  // namespace imageclassifier::api
