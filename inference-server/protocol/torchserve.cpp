#include <nlohmann/json.hpp>

#include "inference-server/protocol/classes_json.hpp"
#include "inference-server/protocol/compression.hpp"
#include "inference-server/protocol/query.hpp"
#include "inference-server/protocol/request_context.hpp"
#include "inference-server/protocol/routes.hpp"
#include "inference-server/protocol/upload.hpp"

namespace imageclassifier::protocol {
namespace {

using Json = nlohmann::ordered_json;

Json result_json(const PictureResult& result, const std::string& request_id) {
  if (result.problem) return {{"error", problem_json(*result.problem, request_id)}};
  return classes_json(result.predictions);
}

/// One request on its way: everything that its answer needs.
struct Exchange {
  HttpResponder responder;
  std::string request_id;
  ContentCoding coding;

  void refuse(const Problem& problem) const { responder.respond(problem_response(problem, request_id)); }

  void answer(const std::vector<PictureResult>& results) const {
    if (results.size() == 1 && results.front().problem) return refuse(*results.front().problem);
    Json json = Json::array();
    for (const PictureResult& result : results) json.push_back(result_json(result, request_id));
    if (results.size() == 1) json = Json(json.front());
    HttpResponse response{.content_type = "application/json",
                          .body = json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"};
    add_common_headers(response, request_id);
    compress_body(response, coding);
    responder.respond(std::move(response));
  }
};

HttpHandler prediction_handler(ServerState& state, InferenceMetrics& metrics, const ProtocolOptions& options) {
  return [&state, &metrics, options](HttpRequest received, const HttpResponder& responder) {
    // The pictures are parts of its body, and are decoded after this has returned.
    const auto owner = std::make_shared<HttpRequest>(std::move(received));
    HttpRequest& request = *owner;
    const Exchange exchange{responder, request_id(request), accepted_coding(request)};
    const auto refuse_and_count = [&](const Problem& problem) {
      metrics.rejected(problem);
      exchange.refuse(problem);
    };
    metrics.stage(InferenceMetrics::Stage::kRead, request.received - request.started);
    const ServerState::Snapshot now = state.get();
    if (const auto problem = problem_of_model(now, request.parameters)) return refuse_and_count(*problem);
    const auto deadline = parse_deadline(request, options.request_timeout);
    if (!deadline) return refuse_and_count(deadline.error());
    if (const auto problem = uncompress_body(request, options.max_upload_bytes)) return refuse_and_count(*problem);
    const auto pictures = pictures_of(request, "data");
    if (!pictures) return refuse_and_count(pictures.error());
    ClassifyOptions how{.k = options.top_k, .deadline = *deadline};
    how.abandoned = [responder] { return responder.client_gone(); };
    const auto problem = now.classifier->classify(
        *pictures, owner, how, [exchange, &metrics](const std::vector<PictureResult>& results) {
          const SteadyTime begin = SystemClock().steady_now();
          exchange.answer(results);
          metrics.stage(InferenceMetrics::Stage::kEncode, SystemClock().steady_now() - begin);
        });
    if (problem) exchange.refuse(*problem);
  };
}

HttpHandler ping_handler(ServerState& state) {
  return [&state](const HttpRequest& request, const HttpResponder& responder) {
    const bool ready = state.get().stage == Stage::kReady;
    HttpResponse response{.status = ready ? 200 : 503,
                          .content_type = "application/json",
                          .body = ready ? "{\"status\":\"Healthy\"}\n" : "{\"status\":\"Unhealthy\"}\n"};
    if (!ready) response.headers.push_back({"Retry-After", "1"});
    add_common_headers(response, request_id(request));
    responder.respond(std::move(response));
  };
}

}  // namespace

std::vector<HttpRoute> torchserve_routes(ServerState& state, InferenceMetrics& metrics,
                                         const ProtocolOptions& options) {
  const HttpHandler predict = prediction_handler(state, metrics, options);
  std::vector<HttpRoute> routes = {{"GET", "/ping", ping_handler(state), 0, true}};
  for (const char* path : {"/predictions/{model}", "/predictions/{model}/{version}"}) {
    // `curl -T`, as TorchServe's own examples have it, is a PUT.
    for (const char* method : {"POST", "PUT"}) routes.push_back({method, path, predict, options.max_upload_bytes});
  }
  return routes;
}

}  // namespace imageclassifier::protocol
