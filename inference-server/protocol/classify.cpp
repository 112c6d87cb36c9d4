#include "inference-server/protocol/answer.hpp"
#include "inference-server/protocol/inference_handler.hpp"
#include "inference-server/protocol/query.hpp"
#include "inference-server/protocol/upload.hpp"
#include "inference-server/web/page.hpp"

namespace imageclassifier::protocol {
namespace {

constexpr std::string_view kRoot = "../";  // from /v1/classify

HttpResponse refuse(const Problem& problem, const Caller& caller) {
  HttpResponse response = problem_response(problem, caller.request_id);
  if (caller.html) web::become_page(response, problem_html(problem, caller.request_id, kRoot));
  return response;
}

/// What a client should do who got nothing because there was no time for any of the pictures: come back.
std::optional<Problem> all_too_busy(const std::vector<PictureResult>& results) {
  std::optional<Problem> last;
  for (const PictureResult& result : results) {
    if (!result.problem || status_of(*result.problem) != 429) return std::nullopt;
    if (!last || last->retry_after < result.problem->retry_after) last = result.problem;
  }
  return last;
}

tl::expected<InferenceRequest, Problem> read(const HttpRequest& request, int top_k) {
  auto query = parse_classify_query(request.query, top_k);
  if (!query) return tl::unexpected<Problem>(query.error());
  auto pictures = pictures_of(request, "image");
  if (!pictures) return tl::unexpected<Problem>(pictures.error());
  const auto answer = [style = query->style](const std::vector<PictureResult>& results,
                                             const AnswerContext& context) -> tl::expected<HttpResponse, Problem> {
    // A single picture that fails is the request's failure; among several it stands in its place.
    if (results.size() == 1 && results.front().problem) return tl::unexpected<Problem>(*results.front().problem);
    if (auto busy = all_too_busy(results)) return tl::unexpected<Problem>(std::move(*busy));
    HttpResponse response{.content_type = "application/json", .body = {}};
    if (context.caller.html) {
      web::become_page(response,
                       answer_html(results, context.info, context.manifest, context.caller.request_id, kRoot));
    } else {
      response.body = answer_json(results, context.info, context.caller.request_id, style);
    }
    return response;
  };
  return InferenceRequest{.pictures = std::move(*pictures), .options = query->options, .answer = answer};
}

}  // namespace

HttpHandler classify_handler(ServerState& state, InferenceMetrics& metrics, const ProtocolOptions& options) {
  const auto read_it = [top_k = options.top_k](const HttpRequest& request, const model::Manifest&) {
    return read(request, top_k);
  };
  return inference_handler(state, metrics, options, {.read = read_it, .refuse = refuse});
}

}  // namespace imageclassifier::protocol
