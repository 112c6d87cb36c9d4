#pragma once

#include <string>
#include <vector>

#include "common/http_server.hpp"
#include "inference-server/protocol/v2_request.hpp"

namespace imageclassifier::protocol {

/// 200 with the outputs that were asked for, of results that all have logits; as application/octet-stream with
/// Inference-Header-Content-Length when one of them is wanted in binary.
HttpResponse v2_answer(const V2Wanted& wanted, const std::vector<PictureResult>& results, const model::ModelInfo& info,
                       const model::Manifest& manifest);

/// {"error": detail} as exactly application/json, with Retry-After where it helps.
HttpResponse v2_problem_response(const Problem& problem, const std::string& request_id);

/// The path is one of the Open Inference Protocol: its errors have the form above.
bool is_v2_path(std::string_view path);

}  // namespace imageclassifier::protocol
