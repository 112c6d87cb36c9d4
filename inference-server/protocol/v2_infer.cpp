#include "inference-server/protocol/answer.hpp"
#include "inference-server/protocol/inference_handler.hpp"
#include "inference-server/protocol/query.hpp"
#include "inference-server/protocol/v2_answer.hpp"

namespace imageclassifier::protocol {
namespace {

/// What Inference-Header-Content-Length says, if it is there.
tl::expected<std::optional<std::size_t>, Problem> json_bytes_of(const HttpRequest& request) {
  const std::string_view given = request.header("inference-header-content-length");
  if (given.empty()) return std::nullopt;
  const auto number = whole_number(given);
  if (number && *number >= 0) return static_cast<std::size_t>(*number);
  return tl::unexpected<Problem>(
      Problem{ProblemCode::kBadRequest, "Inference-Header-Content-Length must be a whole number."});
}

tl::expected<InferenceRequest, Problem> read(const HttpRequest& request, const model::Manifest& manifest) {
  const auto json_bytes = json_bytes_of(request);
  if (!json_bytes) return tl::unexpected<Problem>(json_bytes.error());
  auto parsed = parse_v2_request(request.body, *json_bytes, manifest.transform.crop);
  if (!parsed) return tl::unexpected<Problem>(parsed.error());
  std::string id = parsed->wanted.id.value_or(std::string());
  const auto answer = [wanted = std::move(parsed->wanted)](
                          const std::vector<PictureResult>& results,
                          const AnswerContext& context) -> tl::expected<HttpResponse, Problem> {
    if (auto problem = first_problem(results, "Picture")) return tl::unexpected<Problem>(std::move(*problem));
    return v2_answer(wanted, results, context.info, context.manifest);
  };
  return InferenceRequest{.pictures = std::move(parsed->pictures),
                          .decoded = std::move(parsed->decoded),
                          .inputs = std::move(parsed->inputs),
                          .options = parsed->options,
                          .timeout = parsed->timeout,
                          .id = std::move(id),
                          .answer = answer};
}

HttpResponse refuse(const Problem& problem, const Caller& caller) {
  return v2_problem_response(problem, caller.request_id);
}

}  // namespace

HttpHandler v2_infer_handler(ServerState& state, InferenceMetrics& metrics, const ProtocolOptions& options) {
  return inference_handler(state, metrics, options, {.read = read, .refuse = refuse});
}

}  // namespace imageclassifier::protocol
