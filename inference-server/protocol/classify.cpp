#include "inference-server/protocol/answer.hpp"
#include "inference-server/protocol/compression.hpp"
#include "inference-server/protocol/query.hpp"
#include "inference-server/protocol/request_context.hpp"
#include "inference-server/protocol/routes.hpp"
#include "inference-server/protocol/upload.hpp"
#include "inference-server/web/page.hpp"

namespace imageclassifier::protocol {
namespace {

/// One request on its way: everything that its answer needs.
struct Exchange {
  HttpResponder responder;
  std::string request_id;
  bool html;
  ContentCoding coding;
  LabelStyle style = LabelStyle::kName;

  void refuse(const Problem& problem) const {
    HttpResponse response = problem_response(problem, request_id);
    if (html) web::become_page(response, problem_html(problem, request_id));
    responder.respond(std::move(response));
  }

  void answer(const std::vector<PictureResult>& results, const model::ModelInfo& info) const {
    // A single picture that fails is the request's failure; among several it stands in its place.
    if (results.size() == 1 && results.front().problem) return refuse(*results.front().problem);
    HttpResponse response{.content_type = "application/json", .body = {}};
    add_common_headers(response, request_id);
    if (html) {
      web::become_page(response, answer_html(results, info, request_id));
    } else {
      response.body = answer_json(results, info, request_id, style);
    }
    compress_body(response, coding);
    responder.respond(std::move(response));
  }
};

}  // namespace

HttpHandler classify_handler(ServerState& state, InferenceMetrics& metrics, const ProtocolOptions& options) {
  return [&state, &metrics, options](HttpRequest received, const HttpResponder& responder) {
    // The pictures are parts of its body, and are decoded after this has returned.
    const auto owner = std::make_shared<HttpRequest>(std::move(received));
    HttpRequest& request = *owner;
    Exchange exchange{responder, request_id(request), wants_html(request), accepted_coding(request)};
    const auto refuse_and_count = [&](const Problem& problem) {
      metrics.rejected(problem);
      exchange.refuse(problem);
    };
    metrics.stage(InferenceMetrics::Stage::kRead, request.received - request.started);
    const ServerState::Snapshot now = state.get();
    if (const auto problem = problem_of_model(now, {})) return refuse_and_count(*problem);
    auto query = parse_classify_query(request.query, options.top_k);
    if (!query) return refuse_and_count(query.error());
    exchange.style = query->style;
    const auto deadline = parse_deadline(request, options.request_timeout);
    if (!deadline) return refuse_and_count(deadline.error());
    if (const auto problem = uncompress_body(request, options.max_upload_bytes)) return refuse_and_count(*problem);
    const auto pictures = pictures_of(request, "image");
    if (!pictures) return refuse_and_count(pictures.error());
    ClassifyOptions& how = query->options;
    how.deadline = *deadline;
    how.abandoned = [responder] { return responder.client_gone(); };
    // The lane's last callback must not be the one that lets go of the classifier: it would join its own thread.
    const auto problem = now.classifier->classify(
        *pictures, owner, how,
        [exchange, &metrics, info = now.classifier->info()](const std::vector<PictureResult>& results) {
          const SteadyTime begin = SystemClock().steady_now();
          exchange.answer(results, info);
          metrics.stage(InferenceMetrics::Stage::kEncode, SystemClock().steady_now() - begin);
        });
    if (problem) exchange.refuse(*problem);
  };
}

}  // namespace imageclassifier::protocol
