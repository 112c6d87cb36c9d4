#include "inference-server/protocol/inference_handler.hpp"

#include <algorithm>

#include "inference-server/protocol/compression.hpp"
#include "inference-server/protocol/query.hpp"
#include "inference-server/protocol/request_context.hpp"

namespace imageclassifier::protocol {
namespace {

/// The pictures are parts of either and are decoded after the handler has returned.
struct Received {
  HttpRequest request;
  InferenceRequest asked{};
};

/// What an answer needs. It waits without the request, whose body may be large.
struct Exchange {
  HttpResponder responder;
  std::shared_ptr<const InferenceProtocol> protocol;
  Caller caller;
  ContentCoding coding;
  InferenceRequest::Answer make{};

  void refuse(const Problem& problem) const { responder.respond(protocol->refuse(problem, caller)); }

  HttpResponse answer(const std::vector<PictureResult>& results, const model::ModelInfo& info,
                      const model::Manifest& manifest) const {
    auto response = make(results, {caller, info, manifest});
    if (!response) return protocol->refuse(response.error(), caller);
    add_common_headers(*response, caller.request_id);
    compress_body(*response, coding);
    return std::move(*response);
  }
};

tl::expected<InferenceRequest, Problem> read(HttpRequest& request, const ServerState::Snapshot& now,
                                             const ProtocolOptions& options, const InferenceProtocol& protocol) {
  if (auto problem = problem_of_model(now, request.parameters)) return tl::unexpected<Problem>(std::move(*problem));
  const auto deadline = parse_deadline(request, options.request_timeout);
  if (!deadline) return tl::unexpected<Problem>(deadline.error());
  if (auto problem = uncompress_body(request, options.max_upload_bytes)) {
    return tl::unexpected<Problem>(std::move(*problem));
  }
  auto asked = protocol.read(request, *now.classifier->manifest());
  if (asked) {
    asked->options.deadline = asked->timeout ? std::min(*deadline, request.received + *asked->timeout) : *deadline;
  }
  return asked;
}

}  // namespace

HttpResponse refuse_with_problem(const Problem& problem, const Caller& caller) {
  return problem_response(problem, caller.request_id);
}

HttpHandler inference_handler(ServerState& state, InferenceMetrics& metrics, const ProtocolOptions& options,
                              InferenceProtocol protocol) {
  return [&state, &metrics, options, protocol = std::make_shared<const InferenceProtocol>(std::move(protocol))](
             HttpRequest request, const HttpResponder& responder) {
    metrics.stage(InferenceMetrics::Stage::kRead, request.received - request.started);
    const auto received = std::make_shared<Received>(Received{std::move(request)});
    const HttpRequest& head = received->request;
    Exchange exchange{responder, protocol, {request_id(head), wants_html(head)}, accepted_coding(head)};
    const ServerState::Snapshot now = state.get();
    auto asked = read(received->request, now, options, *protocol);
    if (!asked) {
      metrics.rejected(asked.error());
      return exchange.refuse(asked.error());
    }
    received->asked = std::move(*asked);
    InferenceRequest& work = received->asked;
    work.options.abandoned = [responder] { return responder.client_gone(); };
    if (head.header("x-request-id").empty() && is_request_id(work.id)) exchange.caller.request_id = work.id;
    exchange.make = std::move(work.answer);
    // The lane's last callback must not be the one that lets go of the classifier: it would join its own thread.
    const auto done = [exchange, &metrics, info = now.classifier->info(),
                       manifest = now.classifier->manifest()](const std::vector<PictureResult>& results) {
      const SteadyTime begin = SystemClock().steady_now();
      HttpResponse response = exchange.answer(results, info, *manifest);
      // Before it is sent: who has the answer finds it counted.
      metrics.stage(InferenceMetrics::Stage::kEncode, SystemClock().steady_now() - begin);
      exchange.responder.respond(std::move(response));
    };
    const auto problem = work.inputs.empty() ? now.classifier->classify(work.pictures, received, work.options, done)
                                             : now.classifier->classify(std::move(work.inputs), work.options, done);
    if (problem) exchange.refuse(*problem);
  };
}

}  // namespace imageclassifier::protocol
