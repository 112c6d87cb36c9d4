#pragma once

#include <functional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "common/http_server.hpp"
#include "inference-server/protocol/routes.hpp"

namespace imageclassifier::protocol {

/// Who asked.
struct Caller {
  std::string request_id;
  bool html = false;  ///< wants_html
};

/// What an answer is about.
struct AnswerContext {
  const Caller& caller;
  const model::ModelInfo& info;
  const model::Manifest& manifest;
};

/// A request to the model, as a protocol has read it.
struct InferenceRequest {
  /// The answer to results in the order of what was asked; or a problem, when the protocol has no other place for it.
  using Answer = std::function<tl::expected<HttpResponse, Problem>(const std::vector<PictureResult>& results,
                                                                   const AnswerContext& context)>;

  std::vector<Picture> pictures{};  ///< point into the request or into `decoded`
  std::vector<std::string> decoded{};
  std::vector<preprocess::Input> inputs{};             ///< when there are no pictures
  ClassifyOptions options{};                           ///< but for deadline and abandoned, which the handler sets
  std::optional<std::chrono::microseconds> timeout{};  ///< shortens the deadline, never lengthens it
  std::string id{};  ///< of the client: becomes the request's if it can be one and there was no X-Request-Id
  Answer answer{};
};

/// What the protocols that ask the model differ in.
struct InferenceProtocol {
  /// From a request whose body is no longer compressed.
  std::function<tl::expected<InferenceRequest, Problem>(const HttpRequest& request, const model::Manifest& manifest)>
      read;
  std::function<HttpResponse(const Problem& problem, const Caller& caller)> refuse;
};

/// Refuses with problem_response.
HttpResponse refuse_with_problem(const Problem& problem, const Caller& caller);

/// Asks the model for a client of `protocol`: its deadline, its body's coding, its answer compressed as it accepts, and
/// the metrics of reading, refusing and encoding. `state` and `metrics` must outlive the handler.
HttpHandler inference_handler(ServerState& state, InferenceMetrics& metrics, const ProtocolOptions& options,
                              InferenceProtocol protocol);

}  // namespace imageclassifier::protocol
