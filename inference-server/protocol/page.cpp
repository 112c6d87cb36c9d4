#include "inference-server/web/page.hpp"

#include <array>

#include "common/sha256.hpp"
#include "inference-server/protocol/answer.hpp"
#include "inference-server/protocol/compression.hpp"
#include "inference-server/protocol/request_context.hpp"
#include "inference-server/protocol/routes.hpp"

namespace imageclassifier::protocol {
namespace {

constexpr std::array kCodings = {ContentCoding::kIdentity, ContentCoding::kGzip, ContentCoding::kDeflate};

/// A body in one coding, with an ETag of its own (RFC 9110, 8.8.3.3): revalidated each time, never served stale.
HttpResponse file_response(std::string_view content_type, std::string_view content, ContentCoding coding,
                           Effort effort) {
  HttpResponse response{.content_type = std::string(content_type), .body = std::string(content)};
  const std::string digest = sha256_hex(content).substr(0, 32);
  compress_body(response, coding, effort);
  const bool compressed = !response.headers.empty();
  if (!compressed) response.headers.push_back({"Vary", "Accept-Encoding"});
  const char* suffix = !compressed ? "" : coding == ContentCoding::kGzip ? "-gzip" : "-deflate";
  response.headers.push_back({"ETag", "\"" + digest + suffix + "\""});
  response.headers.push_back({"Cache-Control", "private, no-cache"});
  response.headers.push_back({"X-Content-Type-Options", "nosniff"});
  return response;
}

/// 304 if the client has this very answer.
HttpResponse revalidated(HttpResponse response, const HttpRequest& request) {
  response.headers.push_back({"X-Request-Id", request_id(request)});
  const std::string_view known = request.header("if-none-match");
  for (const HttpHeader& header : response.headers) {
    if (header.name != "ETag" || known.find(header.value) == std::string_view::npos) continue;
    HttpResponse unchanged{.status = 304, .content_type = ""};
    for (HttpHeader& kept : response.headers) {
      if (kept.name != "Content-Encoding") unchanged.headers.push_back(std::move(kept));
    }
    return unchanged;
  }
  return response;
}

/// A file that does not change while the server runs: compressed once, at the start.
HttpHandler file_handler(std::string_view content_type, std::string_view content) {
  std::array<HttpResponse, kCodings.size()> responses;
  for (const ContentCoding coding : kCodings) {
    responses.at(static_cast<std::size_t>(coding)) = file_response(content_type, content, coding, Effort::kSmall);
  }
  return [responses](const HttpRequest& request, const HttpResponder& responder) {
    const auto coding = static_cast<std::size_t>(accepted_coding(request));
    responder.respond(revalidated(responses.at(coding), request));
  };
}

/// How whoever asks for the page has shown who they are: the command line that it offers must do the same.
std::string_view signed_in(const HttpRequest& request) {
  const std::string scheme = media_type(request.header("authorization").substr(0, 7));
  if (scheme.starts_with("basic")) return "basic";
  return scheme.starts_with("bearer") ? "bearer" : "";
}

HttpHandler index_handler(ServerState& state, const ProtocolOptions& options) {
  return [&state, options](const HttpRequest& request, const HttpResponder& responder) {
    const ServerState::Snapshot now = state.get();
    const std::string model = now.classifier ? model_html(now.classifier->info(), *now.classifier->manifest(), {})
                                             : web::model_section(std::nullopt, {});
    const std::string html = web::index({.model = model,
                                         .max_upload_bytes = options.max_upload_bytes,
                                         .top_k = options.top_k,
                                         .signed_in = signed_in(request),
                                         .examples = example_names()});
    HttpResponse response =
        revalidated(file_response("text/html; charset=utf-8", html, accepted_coding(request), Effort::kFast), request);
    for (HttpHeader& header : web::security_headers()) response.headers.push_back(std::move(header));
    responder.respond(std::move(response));
  };
}

}  // namespace

std::vector<HttpRoute> page_routes(ServerState& state, const ProtocolOptions& options) {
  return {{"GET", "/", index_handler(state, options), 0, true},
          {"GET", "/app.css", file_handler("text/css; charset=utf-8", web::app_css()), 0, true},
          {"GET", "/app.js", file_handler("text/javascript; charset=utf-8", web::app_js()), 0, true}};
}

}  // namespace imageclassifier::protocol
