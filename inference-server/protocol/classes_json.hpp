#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "inference-server/postprocess/top_k.hpp"

namespace imageclassifier::protocol {

/// {label: probability}, as TorchServe's image classifier answers; a label that repeats is followed by its index.
nlohmann::ordered_json classes_json(const std::vector<postprocess::Prediction>& predictions);

}  // namespace imageclassifier::protocol
