#include "inference-server/web/page.hpp"
#include "common/sha256.hpp"
#include "inference-server/protocol/request_context.hpp"
#include "inference-server/protocol/routes.hpp"

namespace imageclassifier::protocol {
namespace {

/// A file that does not change while the server runs: revalidated by its ETag.
HttpHandler file_handler(const char* content_type, std::string_view content) {
  const std::string etag = "\"" + sha256_hex(content).substr(0, 32) + "\"";
  return [content_type, content, etag](const HttpRequest& request, const HttpResponder& responder) {
    HttpResponse response{.content_type = content_type, .body = std::string(content)};
    if (request.header("if-none-match") == etag) {
      response = HttpResponse{.status = 304, .content_type = ""};
    }
    response.headers = {{"ETag", etag},
                        {"Cache-Control", "no-cache"},
                        {"X-Content-Type-Options", "nosniff"},
                        {"X-Request-Id", request_id(request)}};
    responder.respond(std::move(response));
  };
}

HttpHandler index_handler(ServerState& state, std::size_t max_upload_bytes) {
  return [&state, max_upload_bytes](const HttpRequest& request, const HttpResponder& responder) {
    const ServerState::Snapshot now = state.get();
    const std::string note =
        now.model ? web::model_note(now.model->demo, now.model->architecture, now.model->precision) : std::string();
    HttpResponse response{.content_type = "text/html; charset=utf-8", .body = web::index(note, max_upload_bytes)};
    add_common_headers(response, request_id(request));
    for (const HttpHeader& header : web::security_headers()) response.headers.push_back(header);
    responder.respond(std::move(response));
  };
}

}  // namespace

std::vector<HttpRoute> page_routes(ServerState& state, const ProtocolOptions& options) {
  return {{"GET", "/", index_handler(state, options.max_upload_bytes), 0, true},
          {"GET", "/app.css", file_handler("text/css; charset=utf-8", web::app_css()), 0, true},
          {"GET", "/app.js", file_handler("text/javascript; charset=utf-8", web::app_js()), 0, true}};
}

}  // namespace imageclassifier::protocol
