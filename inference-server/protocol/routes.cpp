#include "inference-server/protocol/routes.hpp"

#include "inference-server/protocol/answer.hpp"
#include "inference-server/protocol/basic_auth.hpp"
#include "inference-server/protocol/request_context.hpp"
#include "inference-server/protocol/v2_answer.hpp"
#include "inference-server/web/page.hpp"

namespace imageclassifier::protocol {

std::vector<HttpRoute> make_routes(ServerState& state, InferenceMetrics& metrics, const ProtocolOptions& options) {
  std::vector<HttpRoute> routes = {
      {"POST", "/v1/classify", classify_handler(state, metrics, options), options.max_upload_bytes},
      {"GET", "/healthz", healthz_handler(), 0, true},
      {"GET", "/readyz", readyz_handler(state), 0, true},
      {"GET", "/metrics", metrics_handler(metrics), 0, true}};
  // Without the upload page the stylesheet stays: the result page of a form post uses it.
  for (HttpRoute& route : page_routes(state, options)) {
    if (options.upload_page || route.path == "/app.css") routes.push_back(std::move(route));
  }
  for (HttpRoute& route : v2_routes(state, metrics, options)) routes.push_back(std::move(route));
  for (HttpRoute& route : torchserve_routes(state, metrics, options)) routes.push_back(std::move(route));
  for (HttpRoute& route : documentation_routes()) {
    if (options.upload_page || route.path != "/") routes.push_back(std::move(route));
  }
  return routes;
}

HttpResponse refusal_response(const HttpRefusalContext& refusal) {
  const std::string id = refusal.head != nullptr ? request_id(*refusal.head) : new_request_id();
  const Problem problem = problem_of(refusal);
  const bool v2 = refusal.head != nullptr && is_v2_path(refusal.head->path);
  HttpResponse response = v2 ? v2_problem_response(problem, id) : problem_response(problem, id);
  if (problem.code == ProblemCode::kUnauthorized) {
    response.headers.push_back({"WWW-Authenticate", std::string(kBasicChallenge)});
  }
  if (refusal.head != nullptr && !v2 && wants_html(*refusal.head))
    web::become_page(response, problem_html(problem, id));
  return response;
}

}  // namespace imageclassifier::protocol
