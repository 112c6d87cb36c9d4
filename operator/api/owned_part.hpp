#pragma once

#include <string_view>

#include "common/result.hpp"
#include "operator/api/packed_text.hpp"

namespace imageclassifier::api {

/// metadata.labels, metadata.annotations, metadata.ownerReferences and spec of the object in `json`, as the server
/// wrote them, in the shape of an object: for comparing with what we want (resources::first_drift). kInvalidArgument if
/// they are no valid JSON.
Result<PackedText> pack_owned_part(std::string_view json);

}  // namespace imageclassifier::api
