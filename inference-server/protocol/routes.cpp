#include "inference-server/protocol/routes.hpp"

#include "inference-server/protocol/answer.hpp"
#include "inference-server/protocol/basic_auth.hpp"
#include "inference-server/protocol/bearer_auth.hpp"
#include "inference-server/protocol/kserve_v1.hpp"
#include "inference-server/protocol/request_context.hpp"
#include "inference-server/protocol/v2_answer.hpp"
#include "inference-server/web/page.hpp"

namespace imageclassifier::protocol {

std::vector<HttpRoute> make_routes(ServerState& state, InferenceMetrics& metrics, const ProtocolOptions& options) {
  std::vector<HttpRoute> routes = {
      {"POST", "/v1/classify", classify_handler(state, metrics, options), options.max_upload_bytes},
      {"GET", "/v1/classes", classes_handler(state)},
      {"GET", "/healthz", healthz_handler(), 0, true},
      {"GET", "/readyz", readyz_handler(state), 0, true},
      {"GET", "/metrics", metrics_handler(state, metrics), 0, true}};
  // Without the upload page the stylesheet stays: the result page of a form post uses it.
  for (HttpRoute& route : page_routes(state, options)) {
    if (options.upload_page || route.path == "/app.css") routes.push_back(std::move(route));
  }
  if (options.upload_page) routes.push_back(example_route());
  for (HttpRoute& route : v2_routes(state, metrics, options)) routes.push_back(std::move(route));
  for (HttpRoute& route : torchserve_routes(state, metrics, options)) routes.push_back(std::move(route));
  for (HttpRoute& route : kserve_v1_routes(state, metrics, options)) routes.push_back(std::move(route));
  for (HttpRoute& route : documentation_routes()) {
    if (options.upload_page || route.path != "/") routes.push_back(std::move(route));
  }
  return routes;
}

namespace {

HttpResponse refuse(const HttpRefusalContext& refusal, const AuthSchemes& schemes) {
  const std::string id = refusal.head != nullptr ? request_id(*refusal.head) : new_request_id();
  Problem problem = problem_of(refusal);
  if (problem.code == ProblemCode::kUnauthorized && schemes.bearer) {
    problem.detail = schemes.basic ? "A user name and a password, or a bearer token, are needed here."
                                   : "A bearer token is needed here.";
  }
  const bool v2 = refusal.head != nullptr && is_v2_path(refusal.head->path);
  HttpResponse response = v2 ? v2_problem_response(problem, id) : problem_response(problem, id);
  if (problem.code == ProblemCode::kUnauthorized) {
    if (schemes.basic) response.headers.push_back({"WWW-Authenticate", std::string(kBasicChallenge)});
    if (schemes.bearer) response.headers.push_back({"WWW-Authenticate", bearer_challenge(refusal.head)});
  }
  if (refusal.head != nullptr && !v2 && wants_html(*refusal.head))
    web::become_page(response, problem_html(problem, id, web::root_of(refusal.head->path)));
  return response;
}

}  // namespace

HttpResponse refusal_response(const HttpRefusalContext& refusal) {
  return refuse(refusal, {.basic = true, .bearer = false});
}

std::function<HttpResponse(const HttpRefusalContext&)> refusals(const AuthSchemes& schemes) {
  return [schemes](const HttpRefusalContext& refusal) { return refuse(refusal, schemes); };
}

}  // namespace imageclassifier::protocol
