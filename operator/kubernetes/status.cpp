#include "operator/kubernetes/status.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "common/log.hpp"

namespace imageclassifier::kubernetes {
namespace {

using nlohmann::json;

// A tree of JSON takes twenty times the text's memory and more; what is larger than this is no refusal.
constexpr std::size_t kMaximumBody = 256U << 10U;
constexpr std::size_t kMaximumText = 4096;
constexpr std::size_t kMaximumCauses = 64;
constexpr int kMaximumRetryAfter = 3600;

std::string text_of(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return {};
  std::string text = found->get<std::string>();
  log::redact_concealed(text);  // not before it is decoded, nor after it is cut
  text.resize(std::min(text.size(), kMaximumText));
  return text;
}

int number_of(const json& object, const char* key, int largest) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return 0;
  return static_cast<int>(std::clamp(found->get<double>(), 0.0, static_cast<double>(largest)));
}

void read_details(const json& details, Status& status) {
  if (const int seconds = number_of(details, "retryAfterSeconds", kMaximumRetryAfter); seconds > 0) {
    status.retry_after = std::chrono::seconds(seconds);
  }
  const auto causes = details.find("causes");
  if (causes == details.end() || !causes->is_array()) return;
  for (const json& cause : *causes) {
    if (!cause.is_object() || status.causes.size() == kMaximumCauses) break;
    status.causes.push_back({text_of(cause, "reason"), text_of(cause, "field"), text_of(cause, "message")});
  }
}

std::optional<std::chrono::seconds> retry_after_header(const std::vector<Header>& headers) {
  const auto value = find_header(headers, "Retry-After");
  if (!value) return std::nullopt;
  int seconds = 0;
  const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), seconds);
  // The other form, a date, needs a synchronised clock; the API server does not send it.
  if (error != std::errc() || end != value->data() + value->size() || seconds < 0) return std::chrono::seconds(1);
  return std::chrono::seconds(std::min(seconds, kMaximumRetryAfter));
}

bool mentions(const Status& status, std::string_view cause) {
  return std::any_of(status.causes.begin(), status.causes.end(),
                     [&](const Status::Cause& each) { return each.reason == cause; });
}

}  // namespace

std::optional<Status> parse_status(std::string_view text) {
  if (text.size() > kMaximumBody) return std::nullopt;
  const json parsed = json::parse(text, nullptr, false);
  if (!parsed.is_object() || text_of(parsed, "kind") != "Status") return std::nullopt;
  Status status;
  status.code = number_of(parsed, "code", 999);
  status.reason = text_of(parsed, "reason");
  status.message = text_of(parsed, "message");
  const auto details = parsed.find("details");
  if (details != parsed.end() && details->is_object()) read_details(*details, status);
  return status;
}

Status status_of(int http_status, const std::vector<Header>& headers, std::string_view body) {
  Status status = parse_status(body).value_or(Status{});
  status.code = http_status;
  if (status.message.empty()) status.message = "the server answered HTTP " + std::to_string(http_status);
  if (!status.retry_after) status.retry_after = retry_after_header(headers);
  return status;
}

ErrorCode error_code(const Status& status) {
  switch (status.code) {
    case 400:
    case 406:
    case 415:
    case 422:
      return ErrorCode::kInvalidArgument;
    case 405:
      return ErrorCode::kUnsupported;
    case 401:
      return ErrorCode::kUnauthenticated;
    case 403:
      return is_namespace_terminating(status) ? ErrorCode::kEnding : ErrorCode::kPermissionDenied;
    case 404:
    case 410:
      return ErrorCode::kNotFound;
    case 409:
      return status.reason == "AlreadyExists" ? ErrorCode::kAlreadyExists : ErrorCode::kConflict;
    case 413:
      return ErrorCode::kTooLarge;
    case 429:
      return ErrorCode::kExhausted;
    case 500:
      return ErrorCode::kInternal;
    case 504:
      return ErrorCode::kDeadlineExceeded;
    default:
      return status.code > 500 ? ErrorCode::kUnavailable : ErrorCode::kInternal;
  }
}

Error to_error(const Status& status, std::string_view what) {
  std::string message(what);
  message += " failed with HTTP " + std::to_string(status.code);
  if (!status.reason.empty()) message += " (" + status.reason + ")";
  if (!status.message.empty()) message += ": " + status.message;
  Error error(error_code(status), std::move(message));
  error.retry_after = status.retry_after.value_or(std::chrono::seconds(0));
  return error;
}

bool is_expired(const Status& status) {
  return status.code == 410 || status.reason == "Expired" || status.reason == "Gone";
}

bool is_too_large_resource_version(const Status& status) {
  // Before 1.17 the server sent the cause as text only; such servers are not supported.
  return status.code == 504 && mentions(status, "ResourceVersionTooLarge");
}

bool is_namespace_terminating(const Status& status) {
  return status.code == 403 && mentions(status, "NamespaceTerminating");
}

}  // namespace imageclassifier::kubernetes
