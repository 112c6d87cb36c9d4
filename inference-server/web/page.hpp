#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/http_server.hpp"

/// The upload page: HTML, CSS and JavaScript embedded at build, no framework, nothing external, no inline code. It
/// works without JavaScript (a form post that gets a page back) and is nicer with it. All links are relative, so that
/// it works behind a proxy that adds a path. Thread safe.
namespace imageclassifier::web {

/// Text as HTML: what is not ours goes through here.
std::string escape(std::string_view text);

/// The same between <bdi> tags: it does not turn the direction of what stands around it.
std::string isolated(std::string_view text);

/// The way from the page at `path` back to "/", for example "../" from "/v1/classify".
std::string root_of(std::string_view path);

/// A probability for people: "91.2 %"; never "0 %" or "100 %", which no model knows.
std::string percent(double probability);

/// A whole page around `body` (HTML); `root` is that of root_of. `request_id` may be empty.
std::string layout(std::string_view title, std::string_view body, std::string_view root,
                   std::string_view request_id = {});

struct IndexFacts {
  std::string_view model;  ///< model_section
  std::size_t max_upload_bytes;
  int top_k;
  std::string_view signed_in;  ///< "basic", "bearer" or empty
  std::span<const std::string> examples;
};

/// The upload page.
std::string index(const IndexFacts& facts);

struct ModelFacts {
  bool demo;
  std::string_view name;
  std::string_view precision;
  std::string_view engine;
  std::string_view weights_sha256;
  std::span<const std::string> labels;
};

/// What the model knows, in words, and plainly when it is only a demo model (HTML). Without facts: it is being loaded.
std::string model_section(const std::optional<ModelFacts>& facts, std::string_view root);

std::string_view app_css();
std::string_view app_js();
/// The description of every endpoint, OpenAPI 3.1 in JSON.
std::string_view openapi();

/// A strict Content-Security-Policy (own files only, no inline code), no framing, no referrer.
std::vector<HttpHeader> security_headers();

/// Makes an answer one that carries this page: content type, body, security headers. The status stays.
void become_page(HttpResponse& response, std::string html);

}  // namespace imageclassifier::web
