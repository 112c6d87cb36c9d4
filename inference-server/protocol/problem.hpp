#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "common/http_server.hpp"
#include "common/result.hpp"
#include "inference-server/image/decoder.hpp"

namespace imageclassifier::protocol {

/// The closed list of what can go wrong for a client; docs/http-api.md describes each. Clients decide on the code.
enum class ProblemCode {
  kBadRequest,
  kBadFraming,
  kBadChunk,
  kHeaderTooLarge,
  kRequestTimeout,
  kBodyTooLarge,
  kEmptyBody,
  kBadMultipart,
  kNoImagePart,
  kTooManyParts,
  kTooManyImages,
  kBadParameter,
  kUnsupportedMediaType,
  kUnsupportedEncoding,
  kImageTooLarge,
  kImageNeedsMemory,
  kTooManyFrames,
  kTooManyScans,
  kTruncatedImage,
  kCorruptImage,
  kQueueFull,
  kDeadline,
  kLoading,
  kDraining,
  kUnauthorized,
  kNotFound,
  kMethodNotAllowed,
  kInternal
};

/// One failure as the client sees it. `detail` is a sentence with what to do; it names nothing internal.
struct Problem {
  ProblemCode code = ProblemCode::kInternal;
  std::string detail;
  int retry_after = 0;  ///< seconds; 0: retrying does not help
  int status = 0;       ///< 0: the code's own
};

/// The HTTP status of a problem: the only place that maps errors to statuses.
int status_of(const Problem& problem);
/// For example "queue_full".
const char* name_of(ProblemCode code);

Problem problem_of(const image::DecodeError& error);
Problem problem_of(const HttpRefusalContext& refusal);
/// A failure of the compute lane.
Problem problem_of(const Error& error);

/// Members of RFC 9457: type, title, status, detail, and ours: code, request_id. The same object stands in a result
/// whose picture failed.
nlohmann::ordered_json problem_json(const Problem& problem, const std::string& request_id);
/// application/problem+json with Retry-After where it helps.
HttpResponse problem_response(const Problem& problem, const std::string& request_id);

}  // namespace imageclassifier::protocol
