#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "inference-server/protocol/problem.hpp"

namespace imageclassifier::protocol {

/// The pictures of a prediction request in KServe's version 1: {"instances": [...]}, 1 to 32 of them, each with a
/// picture in base64 as {"b64": "..."}, as {ANY NAME: {"b64": "..."}} (TensorFlow Serving) or as {"data": "..."}
/// (TorchServe). Other members are ignored. kBadRequest, kTooManyImages.
tl::expected<std::vector<std::string>, Problem> parse_v1_request(std::string_view body);

}  // namespace imageclassifier::protocol
