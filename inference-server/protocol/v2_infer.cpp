#include <algorithm>

#include "inference-server/protocol/compression.hpp"
#include "inference-server/protocol/query.hpp"
#include "inference-server/protocol/request_context.hpp"
#include "inference-server/protocol/routes.hpp"
#include "inference-server/protocol/v2_answer.hpp"

namespace imageclassifier::protocol {
namespace {

/// One request on its way: everything that its answer needs.
struct Exchange {
  HttpResponder responder;
  std::string request_id;
  ContentCoding coding;
  V2Wanted wanted{};

  void refuse(const Problem& problem) const { responder.respond(v2_problem_response(problem, request_id)); }

  void answer(const std::vector<PictureResult>& results, const model::ModelInfo& info,
              const model::Manifest& manifest) const {
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (!results[i].problem) continue;
      Problem problem = *results[i].problem;
      if (results.size() > 1) problem.detail = "Picture " + std::to_string(i + 1) + ": " + problem.detail;
      return refuse(problem);
    }
    HttpResponse response = v2_answer(wanted, results, info, manifest);
    add_common_headers(response, request_id);
    compress_body(response, coding);
    responder.respond(std::move(response));
  }
};

/// The pictures are parts of either, and are decoded after the handler has returned.
struct Received {
  HttpRequest request;
  V2Request parsed{};
};

tl::expected<V2Request, Problem> read(HttpRequest& request, const ProtocolOptions& options, int crop) {
  if (auto problem = uncompress_body(request, options.max_upload_bytes)) return tl::unexpected<Problem>(*problem);
  std::optional<std::size_t> json_bytes;
  if (const std::string_view given = request.header("inference-header-content-length"); !given.empty()) {
    const auto number = whole_number(given);
    if (!number || *number < 0) {
      return tl::unexpected<Problem>(
          Problem{ProblemCode::kBadRequest, "Inference-Header-Content-Length must be a whole number."});
    }
    json_bytes = static_cast<std::size_t>(*number);
  }
  auto parsed = parse_v2_request(request.body, json_bytes, crop);
  if (!parsed) return parsed;
  const auto deadline = parse_deadline(request, options.request_timeout);
  if (!deadline) return tl::unexpected<Problem>(deadline.error());
  parsed->options.deadline = *deadline;
  if (parsed->timeout) {
    parsed->options.deadline = std::min(parsed->options.deadline, request.received + *parsed->timeout);
  }
  return parsed;
}

}  // namespace

HttpHandler v2_infer_handler(ServerState& state, InferenceMetrics& metrics, const ProtocolOptions& options) {
  return [&state, &metrics, options](HttpRequest received, const HttpResponder& responder) {
    const auto owner = std::make_shared<Received>(Received{std::move(received)});
    HttpRequest& request = owner->request;
    Exchange exchange{responder, request_id(request), accepted_coding(request)};
    const auto refuse_and_count = [&](const Problem& problem) {
      metrics.rejected(problem);
      exchange.refuse(problem);
    };
    metrics.stage(InferenceMetrics::Stage::kRead, request.received - request.started);
    const ServerState::Snapshot now = state.get();
    if (const auto problem = problem_of_model(now, request.parameters)) return refuse_and_count(*problem);
    auto read_in = read(request, options, now.classifier->manifest()->transform.crop);
    if (!read_in) return refuse_and_count(read_in.error());
    owner->parsed = std::move(*read_in);
    V2Request& parsed = owner->parsed;
    exchange.wanted = std::move(parsed.wanted);
    // The client's own id finds the request in the log when it sent no other.
    if (exchange.wanted.id && request.header("x-request-id").empty() && is_request_id(*exchange.wanted.id)) {
      exchange.request_id = *exchange.wanted.id;
    }
    parsed.options.abandoned = [responder] { return responder.client_gone(); };
    // The lane's last callback must not be the one that lets go of the classifier: it would join its own thread.
    const auto done = [exchange, &metrics, info = now.classifier->info(),
                       manifest = now.classifier->manifest()](const std::vector<PictureResult>& results) {
      const SteadyTime begin = SystemClock().steady_now();
      exchange.answer(results, info, *manifest);
      metrics.stage(InferenceMetrics::Stage::kEncode, SystemClock().steady_now() - begin);
    };
    const auto problem = parsed.inputs.empty()
                             ? now.classifier->classify(parsed.pictures, owner, parsed.options, done)
                             : now.classifier->classify(std::move(parsed.inputs), parsed.options, done);
    if (problem) exchange.refuse(*problem);
  };
}

}  // namespace imageclassifier::protocol
