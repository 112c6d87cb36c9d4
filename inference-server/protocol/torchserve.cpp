#include <nlohmann/json.hpp>

#include "inference-server/protocol/answer.hpp"
#include "inference-server/protocol/classes_json.hpp"
#include "inference-server/protocol/inference_handler.hpp"
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

tl::expected<InferenceRequest, Problem> read(const HttpRequest& request, int top_k) {
  auto pictures = pictures_of(request, "data");
  if (!pictures) return tl::unexpected<Problem>(pictures.error());
  const auto answer = [](const std::vector<PictureResult>& results,
                         const AnswerContext& context) -> tl::expected<HttpResponse, Problem> {
    if (results.size() == 1 && results.front().problem) return tl::unexpected<Problem>(*results.front().problem);
    Json json = Json::array();
    for (const PictureResult& result : results) json.push_back(result_json(result, context.caller.request_id));
    return json_response(results.size() == 1 ? json.front() : json);
  };
  return InferenceRequest{.pictures = std::move(*pictures), .options = {.k = top_k}, .answer = answer};
}

HttpHandler ping_handler(ServerState& state) {
  return [&state](const HttpRequest& request, const HttpResponder& responder) {
    const bool ready = state.get().stage == Stage::kReady;
    respond_json(request, responder, {{"status", ready ? "Healthy" : "Unhealthy"}}, ready ? 200 : 503);
  };
}

}  // namespace

std::vector<HttpRoute> torchserve_routes(ServerState& state, InferenceMetrics& metrics,
                                         const ProtocolOptions& options) {
  const auto read_it = [top_k = options.top_k](const HttpRequest& request, const model::Manifest&) {
    return read(request, top_k);
  };
  const HttpHandler predict =
      inference_handler(state, metrics, options, {.read = read_it, .refuse = refuse_with_problem});
  std::vector<HttpRoute> routes = {{"GET", "/ping", ping_handler(state), 0, true}};
  for (const char* path : {"/predictions/{model}", "/predictions/{model}/{version}"}) {
    // `curl -T`, as TorchServe's own examples have it, is a PUT.
    for (const char* method : {"POST", "PUT"}) routes.push_back({method, path, predict, options.max_upload_bytes});
  }
  return routes;
}

}  // namespace imageclassifier::protocol
