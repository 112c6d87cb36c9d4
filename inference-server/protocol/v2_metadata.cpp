#include <nlohmann/json.hpp>

#include "common/build_info.hpp"
#include "inference-server/protocol/answer.hpp"
#include "inference-server/protocol/request_context.hpp"
#include "inference-server/protocol/routes.hpp"
#include "inference-server/protocol/v2_answer.hpp"

namespace imageclassifier::protocol {
namespace {

using Json = nlohmann::ordered_json;

using Answer = HttpResponse (*)(const ServerState::Snapshot& now, InferenceMetrics& metrics);

/// An answer about the model that the path names, once it is loaded.
HttpHandler about_model(ServerState& state, InferenceMetrics& metrics, Answer answer) {
  return [&state, &metrics, answer](const HttpRequest& request, const HttpResponder& responder) {
    const ServerState::Snapshot now = state.get();
    if (const auto problem = problem_of_model(now, request.parameters)) {
      return responder.respond(v2_problem_response(*problem, request_id(request)));
    }
    HttpResponse response = answer(now, metrics);
    add_common_headers(response, request_id(request));
    responder.respond(std::move(response));
  };
}

HttpResponse model_metadata(const ServerState::Snapshot& now, InferenceMetrics&) {
  const model::ModelInfo& info = now.classifier->info();
  const auto manifest = now.classifier->manifest();
  const preprocess::TransformSpec& transform = manifest->transform;
  const std::size_t classes = now.classifier->class_count();
  return json_response(
      {{"name", info.name},
       {"versions", {info.version}},
       {"platform", info.engine == "libtorch" ? "pytorch_libtorch" : info.engine},
       {"inputs",
        {{{"name", kV2ImageInput}, {"datatype", "BYTES"}, {"shape", {-1}}},
         {{"name", kV2TensorInput}, {"datatype", "FP32"}, {"shape", {-1, 3, transform.crop, transform.crop}}}}},
       {"outputs",
        {{{"name", kV2Logits}, {"datatype", "FP32"}, {"shape", {-1, classes}}},
         {{"name", kV2Probabilities}, {"datatype", "FP32"}, {"shape", {-1, classes}}}}},
       {"parameters",
        {{"architecture", info.architecture},
         {"precision", info.precision},
         {"engine", info.engine},
         {"weights_sha256", info.weights_sha256},
         {"resize", transform.resize},
         {"crop", transform.crop},
         {"mean", transform.mean},
         {"std", transform.std},
         {"temperature", manifest->temperature}}}});
}

HttpResponse model_ready(const ServerState::Snapshot& now, InferenceMetrics&) {
  const bool ready = now.stage == Stage::kReady;
  return json_response({{"name", now.classifier->info().name}, {"ready", ready}}, ready ? 200 : 503);
}

Json sum_json(const InferenceStatistics::Sum& sum) {
  return {{"count", sum.count}, {"ns", sum.time.count()}};
}

HttpResponse model_statistics(const ServerState::Snapshot& now, InferenceMetrics& metrics) {
  const InferenceStatistics statistics = metrics.statistics();
  // Pictures are prepared one by one and answered by request: only computing belongs to a batch.
  const Json none = sum_json({});
  Json batches = Json::array();
  std::uint64_t executions = 0;
  for (const auto& [size, compute] : statistics.batches) {
    executions += compute.count;
    batches.push_back({{"batch_size", size},
                       {"compute_input", none},
                       {"compute_infer", sum_json(compute)},
                       {"compute_output", none}});
  }
  Json model = {{"name", now.classifier->info().name},
                {"version", now.classifier->info().version},
                {"last_inference", statistics.last_inference_ms},
                {"inference_count", statistics.compute.count},
                {"execution_count", executions},
                {"inference_stats",
                 {{"success", sum_json(statistics.success)},
                  {"fail", sum_json(statistics.fail)},
                  {"queue", sum_json(statistics.queue)},
                  {"compute_input", sum_json(statistics.input)},
                  {"compute_infer", sum_json(statistics.compute)},
                  {"compute_output", sum_json(statistics.output)},
                  {"cache_hit", none},
                  {"cache_miss", none}}},
                {"batch_stats", std::move(batches)}};
  return json_response({{"model_stats", Json::array({std::move(model)})}});
}

HttpHandler server_metadata() {
  return [](const HttpRequest& request, const HttpResponder& responder) {
    respond_json(request, responder,
                 {{"name", "imageclassifier"},
                  {"version", build_version()},
                  {"extensions", {"binary_tensor_data", "classification", "schedule_policy", "statistics"}}});
  };
}

HttpHandler server_live() {
  return [](const HttpRequest& request, const HttpResponder& responder) {
    respond_json(request, responder, {{"live", true}});
  };
}

HttpHandler server_ready(ServerState& state) {
  return [&state](const HttpRequest& request, const HttpResponder& responder) {
    const Stage stage = state.get().stage;
    if (stage == Stage::kReady) return respond_json(request, responder, {{"live", true}, {"ready", true}});
    const std::string name = to_string(stage);
    const std::string why = "The server is not ready: its stage is " + name + ".";
    respond_json(request, responder, {{"live", true}, {"ready", false}, {"stage", name}, {"error", why}}, 503);
  };
}

}  // namespace

std::vector<HttpRoute> v2_routes(ServerState& state, InferenceMetrics& metrics, const ProtocolOptions& options) {
  std::vector<HttpRoute> routes = {{"GET", "/v2", server_metadata(), 0, true},
                                   {"GET", "/v2/", server_metadata(), 0, true},
                                   {"GET", "/v2/health/live", server_live(), 0, true},
                                   {"GET", "/v2/health/ready", server_ready(state), 0, true},
                                   {"GET", "/v2/models/stats", about_model(state, metrics, model_statistics), 0, true}};
  for (const std::string model : {"/v2/models/{model}", "/v2/models/{model}/versions/{version}"}) {
    routes.push_back({"GET", model, about_model(state, metrics, model_metadata), 0, true});
    routes.push_back({"GET", model + "/ready", about_model(state, metrics, model_ready), 0, true});
    routes.push_back({"GET", model + "/stats", about_model(state, metrics, model_statistics), 0, true});
    routes.push_back({"POST", model + "/infer", v2_infer_handler(state, metrics, options), options.max_upload_bytes});
  }
  return routes;
}

}  // namespace imageclassifier::protocol
