#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "common/http_server.hpp"
#include "inference-server/protocol/classifier.hpp"

namespace imageclassifier::protocol {

/// {name, version, architecture, precision, engine, weights_sha256, demo}: the same object in every answer and in
/// /readyz.
nlohmann::ordered_json model_json(const model::ModelInfo& info);

/// The answer `json`; a 503 asks to come back in a second. What is no UTF-8 is replaced.
HttpResponse json_response(const nlohmann::ordered_json& json, int status = 200);
/// Sends it, with the headers that every answer carries.
void respond_json(const HttpRequest& request, const HttpResponder& responder, const nlohmann::ordered_json& json,
                  int status = 200);

/// The problem of the first picture that has one; of several its detail says which, as "NOUN 2: ...".
std::optional<Problem> first_problem(const std::vector<PictureResult>& results, const std::string& noun);

/// What a prediction is called in an answer, beside its index.
enum class LabelStyle {
  kName,  ///< `label`, and `wnid` where it is known
  kWnid,  ///< `wnid` alone, or `label` where there is none
  kNone   ///< the index alone
};

/// The answer of POST /v1/classify and of `inference-server classify --json`.
std::string answer_json(const std::vector<PictureResult>& results, const model::ModelInfo& info,
                        const std::string& request_id, LabelStyle style = LabelStyle::kName);

/// Why a result is not sure, in words; empty when it is.
std::string certainty_note(const PictureResult& result);

/// What the pages say of the model (HTML); `root` is that of web::root_of.
std::string model_html(const model::ModelInfo& info, const model::Manifest& manifest, std::string_view root);

/// The answer as a page for browsers without JavaScript.
std::string answer_html(const std::vector<PictureResult>& results, const model::ModelInfo& info,
                        const model::Manifest& manifest, const std::string& request_id, std::string_view root);
std::string problem_html(const Problem& problem, const std::string& request_id, std::string_view root);

}  // namespace imageclassifier::protocol
