#include "inference-server/protocol/kserve_v1.hpp"

#include <nlohmann/json.hpp>

#include "inference-server/protocol/classes_json.hpp"
#include "inference-server/protocol/compression.hpp"
#include "inference-server/protocol/query.hpp"
#include "inference-server/protocol/request_context.hpp"
#include "inference-server/protocol/v1_request.hpp"

namespace imageclassifier::protocol {
namespace {

using Json = nlohmann::ordered_json;

HttpResponse json_response(const Json& json, const std::string& request_id) {
  HttpResponse response{.content_type = "application/json",
                        .body = json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"};
  add_common_headers(response, request_id);
  return response;
}

/// One request on its way: everything that its answer needs.
struct Exchange {
  HttpResponder responder;
  std::string request_id;
  ContentCoding coding;

  void refuse(const Problem& problem) const { responder.respond(problem_response(problem, request_id)); }

  /// The protocol has no place for the failure of one of several: it fails the request.
  void answer(const std::vector<PictureResult>& results) const {
    Json predictions = Json::array();
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (results[i].problem) {
        Problem problem = *results[i].problem;
        if (results.size() > 1) problem.detail = "Instance " + std::to_string(i + 1) + ": " + problem.detail;
        return refuse(problem);
      }
      predictions.push_back(classes_json(results[i].predictions));
    }
    HttpResponse response = json_response({{"predictions", std::move(predictions)}}, request_id);
    compress_body(response, coding);
    responder.respond(std::move(response));
  }
};

/// The pictures are decoded after the handler has returned.
struct Received {
  HttpRequest request;
  std::vector<std::string> files{};
};

HttpHandler predict_handler(ServerState& state, InferenceMetrics& metrics, const ProtocolOptions& options) {
  return [&state, &metrics, options](HttpRequest received, const HttpResponder& responder) {
    const auto owner = std::make_shared<Received>(Received{std::move(received)});
    HttpRequest& request = owner->request;
    const Exchange exchange{responder, request_id(request), accepted_coding(request)};
    const auto refuse_and_count = [&](const Problem& problem) {
      metrics.rejected(problem);
      exchange.refuse(problem);
    };
    metrics.stage(InferenceMetrics::Stage::kRead, request.received - request.started);
    const ServerState::Snapshot now = state.get();
    if (const auto problem = problem_of_model(now, request.parameters)) return refuse_and_count(*problem);
    auto query = parse_classify_query(request.query, options.top_k);
    if (!query) return refuse_and_count(query.error());
    const auto deadline = parse_deadline(request, options.request_timeout);
    if (!deadline) return refuse_and_count(deadline.error());
    if (const auto problem = uncompress_body(request, options.max_upload_bytes)) return refuse_and_count(*problem);
    auto files = parse_v1_request(request.body);
    if (!files) return refuse_and_count(files.error());
    owner->files = std::move(*files);
    std::vector<Picture> pictures;
    for (const std::string& file : owner->files) pictures.push_back({std::nullopt, file});
    ClassifyOptions& how = query->options;
    how.deadline = *deadline;
    how.abandoned = [responder] { return responder.client_gone(); };
    const auto problem =
        now.classifier->classify(pictures, owner, how, [exchange, &metrics](const std::vector<PictureResult>& results) {
          const SteadyTime begin = SystemClock().steady_now();
          exchange.answer(results);
          metrics.stage(InferenceMetrics::Stage::kEncode, SystemClock().steady_now() - begin);
        });
    if (problem) exchange.refuse(*problem);
  };
}

HttpHandler models_handler(ServerState& state) {
  return [&state](const HttpRequest& request, const HttpResponder& responder) {
    const ServerState::Snapshot now = state.get();
    Json models = Json::array();
    if (now.model) models.push_back(now.model->name);
    responder.respond(json_response({{"models", std::move(models)}}, request_id(request)));
  };
}

HttpHandler model_handler(ServerState& state) {
  return [&state](const HttpRequest& request, const HttpResponder& responder) {
    const std::string id = request_id(request);
    const ServerState::Snapshot now = state.get();
    if (const auto problem = problem_of_model(now, request.parameters)) {
      return responder.respond(problem_response(*problem, id));
    }
    const bool ready = now.stage == Stage::kReady;
    HttpResponse response = json_response({{"name", now.classifier->info().name}, {"ready", ready}}, id);
    if (!ready) {
      response.status = 503;
      response.headers.push_back({"Retry-After", "1"});
    }
    responder.respond(std::move(response));
  };
}

}  // namespace

std::vector<HttpRoute> kserve_v1_routes(ServerState& state, InferenceMetrics& metrics, const ProtocolOptions& options) {
  return {{"POST", "/v1/models/{model}:predict", predict_handler(state, metrics, options), options.max_upload_bytes},
          {"GET", "/v1/models", models_handler(state), 0, true},
          {"GET", "/v1/models/{model}", model_handler(state), 0, true}};
}

}  // namespace imageclassifier::protocol
