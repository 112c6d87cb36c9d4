#include "inference-server/web/page.hpp"

#include "inference-server/web/assets.hpp"

namespace imageclassifier::web {
namespace {

/// Puts `value` in place of the marker `{{name}}`, which stands in `text` once.
void fill(std::string& text, std::string_view name, std::string_view value) {
  const std::string marker = "{{" + std::string(name) + "}}";
  if (const auto position = text.find(marker); position != std::string::npos) {
    text.replace(position, marker.size(), value);
  }
}

std::string in_words(std::size_t bytes) {
  const std::size_t megabyte = 1024 * 1024;
  return bytes >= megabyte ? std::to_string(bytes / megabyte) + " MB" : std::to_string(bytes) + " bytes";
}

}  // namespace

std::string escape(std::string_view text) {
  std::string html;
  html.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        html += "&amp;";
        break;
      case '<':
        html += "&lt;";
        break;
      case '>':
        html += "&gt;";
        break;
      case '"':
        html += "&quot;";
        break;
      case '\'':
        html += "&#39;";
        break;
      default:
        html += c;
    }
  }
  return html;
}

std::string layout(std::string_view title, std::string_view body, std::string_view request_id) {
  std::string html(assets::kLayout);
  fill(html, "title", escape(title));
  fill(html, "footer", request_id.empty() ? std::string() : "Request " + escape(request_id));
  fill(html, "script", "");
  // Last: the body may hold anything, also a marker.
  fill(html, "body", body);
  return html;
}

std::string index(std::string_view model_note, std::size_t max_upload_bytes) {
  std::string body(assets::kIndex);
  fill(body, "model", model_note);
  fill(body, "max", in_words(max_upload_bytes));
  fill(body, "max_bytes", std::to_string(max_upload_bytes));
  std::string html(assets::kLayout);
  fill(html, "title", "Image classifier");
  fill(html, "footer", "");
  fill(html, "script", "<script src=\"/app.js\" defer></script>\n");
  fill(html, "body", body);
  return html;
}

std::string model_note(bool demo, std::string_view architecture, std::string_view precision) {
  const std::string model = escape(architecture) + ", " + escape(precision);
  if (!demo) return "<p class=\"model\">Model: " + model + "</p>\n";
  return "<p class=\"model demo\"><strong>Demo model</strong> (" + model +
         "): it knows only a few kinds of drawn pictures and is here to show the service, not to recognise "
         "photos.</p>\n";
}

std::string_view app_css() {
  return assets::kAppCss;
}
std::string_view app_js() {
  return assets::kAppJs;
}
std::string_view openapi() {
  return assets::kOpenapi;
}

std::vector<HttpHeader> security_headers() {
  return {{"Content-Security-Policy",
           "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
           "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"},
          {"Referrer-Policy", "no-referrer"},
          {"X-Frame-Options", "DENY"},
          {"Cross-Origin-Opener-Policy", "same-origin"}};
}

void become_page(HttpResponse& response, std::string html) {
  response.content_type = "text/html; charset=utf-8";
  response.body = std::move(html);
  for (HttpHeader& header : security_headers()) response.headers.push_back(std::move(header));
}

}  // namespace imageclassifier::web
