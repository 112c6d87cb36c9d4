#include "inference-server/protocol/request_context.hpp"

#include <algorithm>
#include <random>

#include "common/http_framing.hpp"

namespace imageclassifier::protocol {
namespace {

constexpr std::size_t kMaxTraceparent = 256;

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_id_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' || c == '-';
}

}  // namespace

std::string new_request_id() {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::random_device random;
  std::string id;
  for (int word = 0; word < 4; ++word) {
    const unsigned bits = random();
    for (unsigned shift = 0; shift < 32; shift += 4) id += kDigits[(bits >> shift) & 15];
  }
  return id;
}

bool is_request_id(std::string_view text) {
  return !text.empty() && text.size() <= 128 && std::all_of(text.begin(), text.end(), is_id_character);
}

std::string request_id(const HttpRequest& request) {
  const std::string_view given = request.header("x-request-id");
  return is_request_id(given) ? std::string(given) : new_request_id();
}

std::string traceparent(const HttpRequest& request) {
  const auto named = [](const HttpHeader& header) { return equals_ignoring_case(header.name, "traceparent"); };
  if (std::count_if(request.headers.begin(), request.headers.end(), named) != 1) return {};
  // version "-" trace-id "-" parent-id "-" flags; a later version may go on behind another "-".
  constexpr std::size_t kSize = 55;
  const std::string_view given = request.header("traceparent");
  if (given.size() < kSize || given.size() > kMaxTraceparent) return {};
  const std::string_view version = given.substr(0, 2);
  const std::string_view trace = given.substr(3, 32);
  const std::string_view parent = given.substr(36, 16);
  if (!is_hex(version) || version == "ff" || !is_hex(trace) || !is_hex(parent) || !is_hex(given.substr(53, 2)) ||
      given[2] != '-' || given[35] != '-' || given[52] != '-') {
    return {};
  }
  if (given.size() > kSize && (version == "00" || given[kSize] != '-')) return {};
  const bool nobody =
      trace.find_first_not_of('0') == std::string_view::npos || parent.find_first_not_of('0') == std::string_view::npos;
  return nobody ? std::string() : std::string(given.substr(0, kSize));
}

void add_traceparent(const HttpRequest& request, HttpResponse& response) {
  std::string trace = traceparent(request);
  if (!trace.empty()) response.headers.push_back({"Traceparent", std::move(trace)});
}

void add_common_headers(HttpResponse& response, const std::string& id) {
  response.headers.push_back({"X-Request-Id", id});
  response.headers.push_back({"X-Content-Type-Options", "nosniff"});
  response.headers.push_back({"Cache-Control", "no-store"});
}

std::string media_type(std::string_view content_type) {
  content_type = content_type.substr(0, content_type.find(';'));
  while (!content_type.empty() && (content_type.back() == ' ' || content_type.back() == '\t')) {
    content_type.remove_suffix(1);
  }
  std::string type(content_type);
  std::transform(type.begin(), type.end(), type.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return type;
}

bool wants_html(const HttpRequest& request) {
  return request.header("accept").find("text/html") != std::string_view::npos &&
         media_type(request.header("content-type")) == "multipart/form-data";
}

}  // namespace imageclassifier::protocol
