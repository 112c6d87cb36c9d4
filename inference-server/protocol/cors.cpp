#include "inference-server/protocol/cors.hpp"

#include <algorithm>
#include <set>
#include <string_view>

#include "inference-server/protocol/request_context.hpp"

namespace imageclassifier::protocol {
namespace {

constexpr const char* kMethods = "GET, HEAD, POST, PUT";
constexpr const char* kRequestHeaders =
    "Authorization, Content-Type, Content-Encoding, Inference-Header-Content-Length, Traceparent, Tracestate, "
    "X-Request-Id, X-Request-Timeout-Ms";
constexpr const char* kResponseHeaders = "Inference-Header-Content-Length, Retry-After, Traceparent, X-Request-Id";
constexpr const char* kSecondsToRemember = "7200";  // browsers cut it there, or earlier

/// scheme://host or scheme://host:port, in lower case, with nothing behind it.
bool is_origin(std::string_view text) {
  const auto scheme = text.find("://");
  if (scheme == std::string_view::npos || scheme == 0) return false;
  const std::string_view host = text.substr(scheme + 3);
  const auto good = [](char c) { return c > ' ' && c < 127 && !(c >= 'A' && c <= 'Z') && c != ',' && c != '@'; };
  return !host.empty() && host.find_first_of("/?#*") == std::string_view::npos &&
         std::all_of(text.begin(), text.end(), good);
}

}  // namespace

Result<Cors> Cors::make(const std::vector<std::string>& origins) {
  Cors cors;
  for (const std::string& origin : origins) {
    if (origin == "*" && origins.size() == 1) {
      cors.everyone_ = true;
    } else if (is_origin(origin)) {
      cors.origins_.push_back(origin);
    } else {
      return fail(ErrorCode::kInvalidArgument,
                  "\"" + origin + "\" is not an origin, such as https://shop.example, nor * alone");
    }
  }
  return cors;
}

bool Cors::is_preflight(const HttpRequest& head) const {
  return enabled() && head.method == "OPTIONS" && !head.header("origin").empty() &&
         !head.header("access-control-request-method").empty();
}

void Cors::add_headers(const HttpRequest& head, HttpResponse& response) const {
  if (!enabled()) return;
  const std::string origin(head.header("origin"));
  // Caches must not give the answer for one origin to another, nor to none.
  if (!everyone_) response.headers.push_back({"Vary", "Origin"});
  if (origin.empty()) return;
  if (!everyone_ && std::find(origins_.begin(), origins_.end(), origin) == origins_.end()) return;
  response.headers.push_back({"Access-Control-Allow-Origin", everyone_ ? "*" : origin});
  if (!everyone_) response.headers.push_back({"Access-Control-Allow-Credentials", "true"});
  if (!is_preflight(head)) {
    response.headers.push_back({"Access-Control-Expose-Headers", kResponseHeaders});
    return;
  }
  response.headers.push_back({"Access-Control-Allow-Methods", kMethods});
  response.headers.push_back({"Access-Control-Allow-Headers", kRequestHeaders});
  response.headers.push_back({"Access-Control-Max-Age", kSecondsToRemember});
}

std::vector<HttpRoute> Cors::with_preflights(std::vector<HttpRoute> routes) const {
  if (!enabled()) return routes;
  std::set<std::string> paths;
  for (const HttpRoute& route : routes) paths.insert(route.path);
  for (const HttpRoute& route : routes) {
    if (route.method == "OPTIONS") paths.erase(route.path);
  }
  for (const std::string& path : paths) {
    const auto nothing = [](const HttpRequest& request, const HttpResponder& responder) {
      HttpResponse response{.status = 204, .content_type = {}};
      add_common_headers(response, request_id(request));
      responder.respond(std::move(response));
    };
    routes.push_back({"OPTIONS", path, nothing, 0, true});
  }
  return routes;
}

}  // namespace imageclassifier::protocol
