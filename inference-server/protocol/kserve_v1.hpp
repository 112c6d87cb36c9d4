#pragma once

#include <vector>

#include "inference-server/protocol/routes.hpp"

namespace imageclassifier::protocol {

/// KServe's version 1: the list of models, whether one is ready, and predictions.
std::vector<HttpRoute> kserve_v1_routes(ServerState& state, InferenceMetrics& metrics, const ProtocolOptions& options);

}  // namespace imageclassifier::protocol
