#include "inference-server/protocol/problem.hpp"

#include <nlohmann/json.hpp>

#include "inference-server/protocol/request_context.hpp"

namespace imageclassifier::protocol {
namespace {

struct Kind {
  int status;
  const char* name;
  const char* title;
};

Kind kind_of(ProblemCode code) {
  switch (code) {
    case ProblemCode::kBadRequest:
      return {400, "bad_request", "Malformed request"};
    case ProblemCode::kBadFraming:
      return {400, "bad_framing", "Ambiguous request"};
    case ProblemCode::kBadChunk:
      return {400, "bad_chunk", "Malformed chunked body"};
    case ProblemCode::kHeaderTooLarge:
      return {431, "header_too_large", "Header too large"};
    case ProblemCode::kRequestTimeout:
      return {408, "request_timeout", "Request too slow"};
    case ProblemCode::kBodyTooLarge:
      return {413, "body_too_large", "Upload too large"};
    case ProblemCode::kEmptyBody:
      return {400, "empty_body", "Empty upload"};
    case ProblemCode::kBadMultipart:
      return {400, "bad_multipart", "Malformed form"};
    case ProblemCode::kNoImagePart:
      return {400, "no_image_part", "No picture in the form"};
    case ProblemCode::kTooManyParts:
      return {400, "too_many_parts", "Too many form fields"};
    case ProblemCode::kTooManyImages:
      return {413, "too_many_images", "Too many pictures"};
    case ProblemCode::kBadParameter:
      return {400, "bad_parameter", "Bad parameter"};
    case ProblemCode::kUnsupportedMediaType:
      return {415, "unsupported_media_type", "Not a picture that can be read"};
    case ProblemCode::kUnsupportedEncoding:
      return {415, "unsupported_encoding", "Unsupported content encoding"};
    case ProblemCode::kImageTooLarge:
      return {413, "image_too_large", "Picture too large"};
    case ProblemCode::kImageNeedsMemory:
      return {413, "image_needs_memory", "Picture needs too much memory"};
    case ProblemCode::kTooManyFrames:
      return {413, "too_many_frames", "Too many frames"};
    case ProblemCode::kTooManyScans:
      return {422, "too_many_scans", "Too many scans"};
    case ProblemCode::kTruncatedImage:
      return {422, "truncated_image", "Picture incomplete"};
    case ProblemCode::kCorruptImage:
      return {422, "corrupt_image", "Picture damaged"};
    case ProblemCode::kQueueFull:
      return {429, "queue_full", "Server busy"};
    case ProblemCode::kDeadline:
      return {429, "deadline", "Time limit passed"};
    case ProblemCode::kLoading:
      return {503, "loading", "Model loading"};
    case ProblemCode::kDraining:
      return {503, "draining", "Server stopping"};
    case ProblemCode::kUnauthorized:
      return {401, "unauthorized", "Sign in"};
    case ProblemCode::kNotFound:
      return {404, "not_found", "Not found"};
    case ProblemCode::kMethodNotAllowed:
      return {405, "method_not_allowed", "Method not allowed"};
    case ProblemCode::kInternal:
      break;
  }
  return {500, "internal", "Internal error"};
}

std::string in_megabytes(std::size_t bytes) {
  const std::size_t tenths = bytes * 10 / (1024 * 1024);
  if (tenths == 0) return std::to_string(bytes) + " bytes";
  return std::to_string(tenths / 10) + (tenths % 10 != 0 ? "." + std::to_string(tenths % 10) : "") + " MiB";
}

}  // namespace

int status_of(const Problem& problem) {
  return problem.status != 0 ? problem.status : kind_of(problem.code).status;
}

const char* name_of(ProblemCode code) {
  return kind_of(code).name;
}

Problem problem_of(const image::DecodeError& error) {
  switch (error.failure) {
    case image::DecodeFailure::kEmpty:
      return {ProblemCode::kEmptyBody, error.message};
    case image::DecodeFailure::kUnsupportedMediaType:
      return {ProblemCode::kUnsupportedMediaType, error.message};
    case image::DecodeFailure::kTooLarge:
      return {ProblemCode::kImageTooLarge, error.message};
    case image::DecodeFailure::kNeedsMemory:
      return {ProblemCode::kImageNeedsMemory, error.message};
    case image::DecodeFailure::kTooManyFrames:
      return {ProblemCode::kTooManyFrames, error.message};
    case image::DecodeFailure::kTooManyScans:
      return {ProblemCode::kTooManyScans, error.message};
    case image::DecodeFailure::kOutOfTime:
      return {ProblemCode::kDeadline, error.message, 1};
    case image::DecodeFailure::kTruncated:
      return {ProblemCode::kTruncatedImage, error.message};
    case image::DecodeFailure::kCorrupt:
      return {ProblemCode::kCorruptImage, error.message};
  }
  return {ProblemCode::kInternal, "The picture could not be read."};
}

Problem problem_of(const HttpRefusalContext& refusal) {
  switch (refusal.reason) {
    case HttpRefusal::kBadFraming:
      return {ProblemCode::kBadFraming, refusal.message};
    case HttpRefusal::kBadChunk:
      return {ProblemCode::kBadChunk, refusal.message};
    case HttpRefusal::kUnauthorized:
      return {ProblemCode::kUnauthorized, refusal.message};
    case HttpRefusal::kNotFound:
      return {ProblemCode::kNotFound, refusal.message};
    case HttpRefusal::kMethodNotAllowed:
      return {ProblemCode::kMethodNotAllowed, refusal.message};
    case HttpRefusal::kRequestTimeout:
      return {ProblemCode::kRequestTimeout, refusal.message};
    case HttpRefusal::kHeaderTooLarge:
      return {ProblemCode::kHeaderTooLarge, refusal.message};
    case HttpRefusal::kOverloaded:
      return {ProblemCode::kQueueFull, refusal.message, 1};
    case HttpRefusal::kInternal:
      return {ProblemCode::kInternal, refusal.message};
    case HttpRefusal::kBodyTooLarge:
      if (refusal.limit == 0) return {ProblemCode::kBodyTooLarge, "This address takes no body."};
      return {ProblemCode::kBodyTooLarge,
              "The upload is larger than the limit of " + in_megabytes(refusal.limit) + ". Send a smaller file."};
    case HttpRefusal::kBadRequest:
    case HttpRefusal::kExpectationFailed:
    case HttpRefusal::kMethodNotImplemented:
      break;
  }
  return {ProblemCode::kBadRequest, refusal.message, 0, refusal.status};
}

Problem problem_of(const Error& error) {
  switch (error.code) {
    case ErrorCode::kDeadlineExceeded:
      return {ProblemCode::kDeadline, "The server was too busy to answer in time. Try again shortly.", 1};
    case ErrorCode::kExhausted:
      return {ProblemCode::kQueueFull, "The server is busy. Try again shortly.", 1};
    case ErrorCode::kCancelled:  // heard by nobody but those who closed only their own side
      return {ProblemCode::kBadRequest, "The client closed its side of the connection before the answer was ready."};
    case ErrorCode::kUnavailable:
      return {ProblemCode::kDraining, "The server is stopping. Try again shortly.", 1};
    default:
      return {ProblemCode::kInternal, "The picture could not be classified."};
  }
}

nlohmann::ordered_json problem_json(const Problem& problem, const std::string& request_id) {
  const Kind kind = kind_of(problem.code);
  return {{"type", "about:blank"},    {"title", kind.title}, {"status", status_of(problem)},
          {"detail", problem.detail}, {"code", kind.name},   {"request_id", request_id}};
}

HttpResponse problem_response(const Problem& problem, const std::string& request_id) {
  HttpResponse response{.status = status_of(problem),
                        .content_type = "application/problem+json",
                        .body = problem_json(problem, request_id).dump() + "\n"};
  if (problem.retry_after > 0) response.headers.push_back({"Retry-After", std::to_string(problem.retry_after)});
  add_common_headers(response, request_id);
  return response;
}

}  // namespace imageclassifier::protocol
