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

std::string percent(double probability) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", probability * 100);
  return text;
}

std::string prediction_html(const postprocess::Prediction& prediction) {
  const std::string value = percent(prediction.probability);
  const std::string label = web::escape(prediction.label);
  return "<li><span class=\"label\"><bdi>" + label + "</bdi></span><meter min=\"0\" max=\"100\" value=\"" + value +
         "\" aria-label=\"" + label + "\"></meter><span class=\"percent\">" + value + " %</span></li>\n";
}

std::string result_html(const PictureResult& result) {
  std::string html =
      "<section class=\"result\">\n<h2><bdi>" + web::escape(result.file.value_or("Your picture")) + "</bdi></h2>\n";
  if (result.problem) return html + "<p class=\"error\">" + web::escape(result.problem->detail) + "</p>\n</section>\n";
  html += "<ol class=\"predictions\">\n";
  for (const postprocess::Prediction& prediction : result.predictions) html += prediction_html(prediction);
  html += "</ol>\n<p class=\"detail\">" + web::escape(result.image.format) + ", " + std::to_string(result.image.width) +
          " × " + std::to_string(result.image.height) + " pixels, answered in " +
          std::to_string(std::lround(milliseconds(result.timing.decode + result.timing.resize + result.timing.queue +
                                                  result.timing.compute))) +
          " ms</p>\n</section>\n";
  return html;
}

const char* kAnotherPicture = "<p><a class=\"button\" href=\"/\">Classify another picture</a></p>\n";

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

std::string answer_html(const std::vector<PictureResult>& results, const model::ModelInfo& info,
                        const std::string& request_id) {
  std::string html = web::model_note(info.demo, info.architecture, info.precision);
  for (const PictureResult& result : results) html += result_html(result);
  html += kAnotherPicture;
  return web::layout("Result", html, request_id);
}

std::string problem_html(const Problem& problem, const std::string& request_id) {
  const std::string html =
      "<section class=\"result\">\n<h2>That did not work</h2>\n<p class=\"error\" role=\"alert\">" +
      web::escape(problem.detail) + "</p>\n</section>\n" + kAnotherPicture;
  return web::layout("Error", html, request_id);
}

}  // namespace imageclassifier::protocol
