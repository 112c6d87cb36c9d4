#pragma once

#include <vector>

#include "common/http_server.hpp"
#include "inference-server/protocol/inference_metrics.hpp"
#include "inference-server/protocol/server_state.hpp"

namespace imageclassifier::protocol {

struct ProtocolOptions {
  int top_k = 5;                                    ///< predictions when the query has no k; 1..100
  std::size_t max_upload_bytes = 10 * 1024 * 1024;  ///< one request's body
  std::chrono::milliseconds request_timeout{10'000};
  bool upload_page = true;
};

/// Every endpoint. `state`, `metrics` and `clock` must outlive the server that uses the routes.
std::vector<HttpRoute> make_routes(ServerState& state, InferenceMetrics& metrics, const ProtocolOptions& options);

/// Refusals of the HTTP server itself in our form: problem+json, {"error"} below /v2, or a page for a browser's form
/// post.
HttpResponse refusal_response(const HttpRefusalContext& refusal);

/// The parts of make_routes, one per endpoint family.
HttpHandler classify_handler(ServerState& state, InferenceMetrics& metrics, const ProtocolOptions& options);
HttpHandler v2_infer_handler(ServerState& state, InferenceMetrics& metrics, const ProtocolOptions& options);
std::vector<HttpRoute> v2_routes(ServerState& state, InferenceMetrics& metrics, const ProtocolOptions& options);
std::vector<HttpRoute> torchserve_routes(ServerState& state, InferenceMetrics& metrics, const ProtocolOptions& options);
/// GET /v1/classes: what the model can answer.
HttpHandler classes_handler(ServerState& state);
HttpHandler healthz_handler();
HttpHandler readyz_handler(ServerState& state);
HttpHandler metrics_handler(ServerState& state, InferenceMetrics& metrics);
/// GET /openapi.json, OPTIONS / and GET /docs.
std::vector<HttpRoute> documentation_routes();
/// GET /, its style and its script.
std::vector<HttpRoute> page_routes(ServerState& state, const ProtocolOptions& options);
/// GET /examples/{name}: the pictures that the page offers, drawn when they are asked for the first time.
HttpRoute example_route();
/// For instance "sailboat.jpg".
const std::vector<std::string>& example_names();

}  // namespace imageclassifier::protocol
