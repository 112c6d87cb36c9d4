#include "inference-server/protocol/kserve_v1.hpp"

#include <nlohmann/json.hpp>

#include "inference-server/protocol/answer.hpp"
#include "inference-server/protocol/classes_json.hpp"
#include "inference-server/protocol/inference_handler.hpp"
#include "inference-server/protocol/query.hpp"
#include "inference-server/protocol/request_context.hpp"
#include "inference-server/protocol/v1_request.hpp"

namespace imageclassifier::protocol {
namespace {

using Json = nlohmann::ordered_json;

/// The protocol has no place for the failure of one of several: it fails the request.
tl::expected<HttpResponse, Problem> answer(const std::vector<PictureResult>& results, const AnswerContext&) {
  if (auto problem = first_problem(results, "Instance")) return tl::unexpected<Problem>(std::move(*problem));
  Json predictions = Json::array();
  for (const PictureResult& result : results) predictions.push_back(classes_json(result.predictions));
  return json_response({{"predictions", std::move(predictions)}});
}

tl::expected<InferenceRequest, Problem> read(const HttpRequest& request, int top_k) {
  auto query = parse_classify_query(request.query, top_k);
  if (!query) return tl::unexpected<Problem>(query.error());
  auto files = parse_v1_request(request.body);
  if (!files) return tl::unexpected<Problem>(files.error());
  InferenceRequest asked{.decoded = std::move(*files), .options = query->options, .answer = answer};
  for (const std::string& file : asked.decoded) asked.pictures.push_back({std::nullopt, file});
  return asked;
}

HttpHandler models_handler(ServerState& state) {
  return [&state](const HttpRequest& request, const HttpResponder& responder) {
    const ServerState::Snapshot now = state.get();
    Json models = Json::array();
    if (now.model) models.push_back(now.model->name);
    respond_json(request, responder, {{"models", std::move(models)}});
  };
}

HttpHandler model_handler(ServerState& state) {
  return [&state](const HttpRequest& request, const HttpResponder& responder) {
    const ServerState::Snapshot now = state.get();
    if (const auto problem = problem_of_model(now, request.parameters)) {
      return responder.respond(problem_response(*problem, request_id(request)));
    }
    const bool ready = now.stage == Stage::kReady;
    respond_json(request, responder, {{"name", now.classifier->info().name}, {"ready", ready}}, ready ? 200 : 503);
  };
}

}  // namespace

std::vector<HttpRoute> kserve_v1_routes(ServerState& state, InferenceMetrics& metrics, const ProtocolOptions& options) {
  const auto read_it = [top_k = options.top_k](const HttpRequest& request, const model::Manifest&) {
    return read(request, top_k);
  };
  const HttpHandler predict =
      inference_handler(state, metrics, options, {.read = read_it, .refuse = refuse_with_problem});
  return {{"POST", "/v1/models/{model}:predict", predict, options.max_upload_bytes},
          {"GET", "/v1/models", models_handler(state), 0, true},
          {"GET", "/v1/models/{model}", model_handler(state), 0, true}};
}

}  // namespace imageclassifier::protocol
