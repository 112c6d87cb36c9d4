#include "operator/kubernetes/transport_ends.hpp"

#include <algorithm>

#include "operator/kubernetes/client_config.hpp"

namespace imageclassifier::kubernetes {

tl::unexpected<Error> no_server_url(const std::string& server) {
  const bool user = server.find('@') != std::string::npos;
  return fail(ErrorCode::kInvalidArgument,
              "the API server's address at \"" + host_of(server) + "\" is not a server URL" +
                  (user ? ": it holds a user, which belongs into the kubeconfig's users" : ""));
}

tl::unexpected<Error> too_late(const std::stop_token& stop) {
  if (stop.stop_requested()) return fail(ErrorCode::kCancelled, "stopped while waiting for the API server");
  return fail(ErrorCode::kDeadlineExceeded, "the API server did not answer in time");
}

std::optional<StreamEnd::Cause> to_cause(LineSplitter::Verdict verdict) {
  if (verdict == LineSplitter::Verdict::kEndedBySink) return StreamEnd::Cause::kEndedBySink;
  if (verdict == LineSplitter::Verdict::kLineTooLong) return StreamEnd::Cause::kLineTooLong;
  return std::nullopt;
}

bool append_refusal(std::string& body, std::string_view piece) {
  constexpr std::size_t kMaximum = 64U << 10U;
  body.append(piece.substr(0, kMaximum - std::min(kMaximum, body.size())));
  return body.size() < kMaximum;
}

tl::unexpected<Error> body_too_large(std::size_t maximum_body) {
  return fail(ErrorCode::kTooLarge, "the API server's answer exceeds the limit of " + std::to_string(maximum_body) +
                                        " bytes, or with other answers what this process may hold");
}

tl::unexpected<Error> head_too_large(std::size_t maximum_head) {
  return fail(ErrorCode::kTooLarge,
              "the head of the API server's answer exceeds the limit of " + std::to_string(maximum_head) + " bytes");
}

}  // namespace imageclassifier::kubernetes
