#include "inference-server/protocol/answer.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "inference-server/protocol/request_context.hpp"
#include "inference-server/web/page.hpp"

namespace imageclassifier::protocol {
namespace {

using Json = nlohmann::ordered_json;

double milliseconds(Duration duration) {
  return std::round(std::chrono::duration<double, std::milli>(duration).count() * 1000) / 1000;
}

Json prediction_json(const postprocess::Prediction& prediction, LabelStyle style) {
  Json json = Json::object();
  const bool has_wnid = !prediction.wnid.empty();
  if (style == LabelStyle::kName || (style == LabelStyle::kWnid && !has_wnid)) json["label"] = prediction.label;
  if (style != LabelStyle::kNone && has_wnid) json["wnid"] = prediction.wnid;
  json["index"] = prediction.index;
  json["probability"] = prediction.probability;
  json["probability_raw"] = prediction.probability_raw;
  return json;
}

Json result_json(const PictureResult& result, const std::string& request_id, LabelStyle style) {
  Json json = Json::object();
  if (result.file) json["file"] = *result.file;
  if (result.problem) {
    json["error"] = problem_json(*result.problem, request_id);
    return json;
  }
  json["predictions"] = Json::array();
  for (const postprocess::Prediction& prediction : result.predictions) {
    json["predictions"].push_back(prediction_json(prediction, style));
  }
  json["certainty"] = {{"sure", result.certainty.sure},
                       {"effective_classes", std::round(result.certainty.effective_classes * 100) / 100},
                       {"note", certainty_note(result)}};
  const image::ImageInfo& image = result.image;
  json["image"] = {{"format", image.format}, {"width", image.width},
                   {"height", image.height}, {"orientation_applied", image.orientation_applied},
                   {"frames", image.frames}, {"alpha", image.alpha}};
  const Timing& timing = result.timing;
  json["timing_ms"] = {{"decode", milliseconds(timing.decode)},
                       {"resize", milliseconds(timing.resize)},
                       {"queue", milliseconds(timing.queue)},
                       {"compute", milliseconds(timing.compute)}};
  return json;
}

double total_milliseconds(const Timing& timing) {
  return milliseconds(timing.decode + timing.resize + timing.queue + timing.compute);
}

std::string prediction_html(const postprocess::Prediction& prediction) {
  char value[32];
  std::snprintf(value, sizeof value, "%.6f", prediction.probability);
  const std::string label = web::escape(prediction.label);
  return "<li><span class=\"label\" title=\"" + label + "\"><bdi>" + label + "</bdi></span><span class=\"percent\">" +
         web::percent(prediction.probability) + "</span><meter min=\"0\" max=\"1\" value=\"" + value +
         "\" aria-label=\"" + label + "\"></meter></li>\n";
}

std::string scores_html(const PictureResult& result) {
  std::string html =
      "<table><thead><tr><th>Class</th><th>Number</th><th>Probability</th><th>Raw score</th></tr></thead><tbody>\n";
  for (const postprocess::Prediction& prediction : result.predictions) {
    html += "<tr><td>" + web::isolated(prediction.label) + "</td><td>" + std::to_string(prediction.index) +
            "</td><td>" + web::percent(prediction.probability) + "</td><td>" +
            web::percent(prediction.probability_raw) + "</td></tr>\n";
  }
  return html + "</tbody></table>\n";
}

std::string result_html(const PictureResult& result, const model::ModelInfo& info) {
  const std::string name = result.file.value_or("Your picture");
  std::string html =
      "<li class=\"card\">\n<h2 dir=\"auto\" title=\"" + web::escape(name) + "\">" + web::escape(name) + "</h2>\n";
  if (result.problem) return html + "<p class=\"error\">" + web::escape(result.problem->detail) + "</p>\n</li>\n";
  if (result.certainty.sure) {
    html += "<p class=\"best\">" + web::isolated(result.predictions.front().label) + "</p>\n";
  } else {
    html += "<div class=\"unsure\"><p class=\"best\">Not sure</p><p>" + web::escape(certainty_note(result)) +
            "</p></div>\n";
  }
  html += "<ol class=\"predictions\">\n";
  for (const postprocess::Prediction& prediction : result.predictions) html += prediction_html(prediction);
  const image::ImageInfo& image = result.image;
  html += "</ol>\n<details class=\"more\"><summary>" + web::escape(info.name) + " · " + web::escape(info.precision) +
          " · " + web::escape(info.weights_sha256.substr(0, 8)) + " · " +
          std::to_string(std::lround(total_milliseconds(result.timing))) + " ms</summary>\n" + scores_html(result) +
          "<p class=\"hint\">" + web::escape(image.format) + ", " + std::to_string(image.width) + " × " +
          std::to_string(image.height) + " pixels" + (image.orientation_applied ? ", turned upright" : "") +
          "</p>\n</details>\n</li>\n";
  return html;
}

std::string another_picture(std::string_view root) {
  return "<p><a class=\"button strong\" href=\"" + std::string(root) + "./\">Classify another picture</a></p>\n";
}

}  // namespace

Json model_json(const model::ModelInfo& info) {
  return {{"name", info.name},
          {"version", info.version},
          {"architecture", info.architecture},
          {"precision", info.precision},
          {"engine", info.engine},
          {"weights_sha256", info.weights_sha256},
          {"demo", info.demo}};
}

HttpResponse json_response(const Json& json, int status) {
  HttpResponse response{.status = status,
                        .content_type = "application/json",
                        .body = json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"};
  if (status == 503) response.headers.push_back({"Retry-After", "1"});
  return response;
}

void respond_json(const HttpRequest& request, const HttpResponder& responder, const Json& json, int status) {
  HttpResponse response = json_response(json, status);
  add_common_headers(response, request_id(request));
  responder.respond(std::move(response));
}

std::optional<Problem> first_problem(const std::vector<PictureResult>& results, const std::string& noun) {
  const auto failed = std::find_if(results.begin(), results.end(), [](const auto& one) { return one.problem; });
  if (failed == results.end()) return std::nullopt;
  Problem problem = *failed->problem;
  if (results.size() > 1) {
    problem.detail = noun + " " + std::to_string(failed - results.begin() + 1) + ": " + problem.detail;
  }
  return problem;
}

std::string answer_json(const std::vector<PictureResult>& results, const model::ModelInfo& info,
                        const std::string& request_id, LabelStyle style) {
  Json json = {{"results", Json::array()}};
  for (const PictureResult& result : results) json["results"].push_back(result_json(result, request_id, style));
  json["model"] = model_json(info);
  json["request_id"] = request_id;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string certainty_note(const PictureResult& result) {
  if (result.certainty.sure || result.predictions.empty()) return {};
  const double best = result.predictions.front().probability;
  const std::string among =
      "the model wavers between about " + std::to_string(std::lround(result.certainty.effective_classes)) + " classes";
  if (best >= 0.5) return "The best guess has " + web::percent(best) + ", but " + among + ".";
  return "The best guess has only " + web::percent(best) + ": " + among +
         ". Perhaps the picture shows nothing that it knows.";
}

std::string model_html(const model::ModelInfo& info, const model::Manifest& manifest, std::string_view root) {
  return web::model_section(web::ModelFacts{.demo = info.demo,
                                            .name = info.name,
                                            .precision = info.precision,
                                            .engine = info.engine,
                                            .weights_sha256 = info.weights_sha256,
                                            .labels = manifest.labels},
                            root);
}

std::string answer_html(const std::vector<PictureResult>& results, const model::ModelInfo& info,
                        const model::Manifest& manifest, const std::string& request_id, std::string_view root) {
  std::string html = results.size() == 1 ? "<h1>Result</h1>\n" : "<h1>Results</h1>\n";
  html += "<ol class=\"results\">\n";
  for (const PictureResult& result : results) html += result_html(result, info);
  html += "</ol>\n" + another_picture(root) + model_html(info, manifest, root);
  return web::layout("Result", html, root, request_id);
}

std::string problem_html(const Problem& problem, const std::string& request_id, std::string_view root) {
  const std::string html = "<h1>That did not work</h1>\n<p class=\"error\" role=\"alert\">" +
                           web::escape(problem.detail) + "</p>\n" + another_picture(root);
  return web::layout("Error", html, root, request_id);
}

}  // namespace imageclassifier::protocol
