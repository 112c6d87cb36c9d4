#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "inference-server/protocol/answer.hpp"
#include "inference-server/protocol/request_context.hpp"
#include "inference-server/protocol/routes.hpp"

namespace imageclassifier::protocol {

namespace {

double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

/// {"seconds": since the program began, or until it was ready, "stages": [...]}; what goes on has no seconds yet.
nlohmann::ordered_json start_json(StartStages& start, bool over) {
  nlohmann::ordered_json stages = nlohmann::ordered_json::array();
  Duration end{};
  for (const StartStages::Stage& stage : start.get()) {
    nlohmann::ordered_json item = {{"stage", stage.name}, {"begin", seconds(stage.begin)}, {"seconds", nullptr}};
    if (stage.took) item["seconds"] = seconds(*stage.took);
    if (stage.took) end = std::max(end, stage.begin + *stage.took);
    stages.push_back(std::move(item));
  }
  return {{"seconds", seconds(over ? end : start.since_start())}, {"stages", std::move(stages)}};
}

}  // namespace

HttpHandler healthz_handler() {
  return [](const HttpRequest& request, const HttpResponder& responder) {
    respond_json(request, responder, {{"live", true}});
  };
}

HttpHandler readyz_handler(ServerState& state) {
  return [&state](const HttpRequest& request, const HttpResponder& responder) {
    const ServerState::Snapshot now = state.get();
    const bool ready = now.stage == Stage::kReady;
    nlohmann::ordered_json json = {{"ready", ready}, {"stage", to_string(now.stage)}, {"model", nullptr}};
    if (now.self_test) {
      json["self_test"] = {{"passed", true},
                           {"label", now.self_test->label},
                           {"score", now.self_test->score},
                           {"minimum_score", now.self_test->minimum_score}};
    }
    if (now.model) {
      json["model"] = model_json(*now.model);
      if (!now.model->precision_note.empty()) json["model"]["precision_note"] = now.model->precision_note;
      if (!now.model->layer_seconds.empty()) json["model"]["layer_seconds"] = now.model->layer_seconds;
    }
    json["start"] = start_json(state.stages(), ready || now.stage == Stage::kDraining);
    respond_json(request, responder, json, ready ? 200 : 503);
  };
}

HttpHandler metrics_handler(ServerState& state, InferenceMetrics& metrics) {
  return [&state, &metrics](const HttpRequest& request, const HttpResponder& responder) {
    // Places come back in many ways; what is told is what is so now.
    if (const auto classifier = state.get().classifier) metrics.queue_depth(classifier->queued());
    HttpResponse response{.content_type = std::string(MetricsRegistry::kContentType), .body = metrics.text()};
    add_common_headers(response, request_id(request));
    responder.respond(std::move(response));
  };
}

}  // namespace imageclassifier::protocol
