#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/http_server.hpp"

/// The upload page: HTML, CSS and JavaScript embedded at build, no framework, nothing external, no inline code. It
/// works without JavaScript (a form post that gets a page back) and is nicer with it. Thread safe.
namespace imageclassifier::web {

/// Text as HTML: what is not ours goes through here.
std::string escape(std::string_view text);

/// A whole page around `body` (HTML). `request_id` may be empty.
std::string layout(std::string_view title, std::string_view body, std::string_view request_id = {});

/// The upload page.
std::string index(std::string_view model_note, std::size_t max_upload_bytes);

/// What the model is, and plainly when it is only a demo model (HTML).
std::string model_note(bool demo, std::string_view architecture, std::string_view precision);

std::string_view app_css();
std::string_view app_js();
/// The description of every endpoint, OpenAPI 3.1 in JSON.
std::string_view openapi();

/// A strict Content-Security-Policy (own files only, no inline code), no framing, no referrer.
std::vector<HttpHeader> security_headers();

/// Makes an answer one that carries this page: content type, body, security headers. The status stays.
void become_page(HttpResponse& response, std::string html);

}  // namespace imageclassifier::web
