#include "inference-server/web/page.hpp"

#include <algorithm>
#include <cstdio>

#include "inference-server/web/assets.hpp"

namespace imageclassifier::web {
namespace {

/// Puts `value` in place of every marker `{{name}}` of `text`.
void fill(std::string& text, std::string_view name, std::string_view value) {
  const std::string marker = "{{" + std::string(name) + "}}";
  std::size_t position = 0;
  while ((position = text.find(marker, position)) != std::string::npos) {
    text.replace(position, marker.size(), value);
    position += value.size();
  }
}

std::string in_words(std::size_t bytes) {
  constexpr std::size_t kKilobyte = 1024;
  constexpr std::size_t kMegabyte = 1024 * kKilobyte;
  if (bytes >= kMegabyte) return std::to_string(bytes / kMegabyte) + " MB";
  return bytes >= kKilobyte ? std::to_string(bytes / kKilobyte) + " kB" : std::to_string(bytes) + " bytes";
}

/// At most `limit` bytes, cut between characters.
std::string shortened(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return std::string(text);
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0) == 0x80) --limit;
  return std::string(text.substr(0, limit)) + "…";
}

/// "12,345".
std::string grouped(std::size_t number) {
  std::string digits = std::to_string(number);
  for (auto position = static_cast<std::ptrdiff_t>(digits.size()) - 3; position > 0; position -= 3) {
    digits.insert(static_cast<std::size_t>(position), 1, ',');
  }
  return digits;
}

/// "sailboat, sun and 10 more".
std::string named_labels(std::span<const std::string> labels) {
  constexpr std::size_t kAll = 8;
  constexpr std::size_t kSome = 5;
  constexpr std::size_t kLongest = 48;
  const std::size_t count = labels.size() <= kAll ? labels.size() : kSome;
  std::string text;
  for (std::size_t i = 0; i < count; ++i) {
    const bool last = i + 1 == count && count == labels.size();
    text += (i == 0 ? "" : last ? " and " : ", ") + isolated(shortened(labels[i], kLongest));
  }
  return count == labels.size() ? text : text + " and " + grouped(labels.size() - count) + " more";
}

bool is_imagenet(std::span<const std::string> labels) {
  return labels.size() == 1000 && labels.front().starts_with("tench") && labels.back().starts_with("toilet tissue");
}

std::string knowledge(const ModelFacts& facts) {
  const std::string count = grouped(facts.labels.size());
  if (facts.demo) {
    return "<strong>Demo model</strong>: it knows " + count + " kinds of drawn pictures (" +
           named_labels(facts.labels) + ") and is here to show the service, not to recognise photos.";
  }
  if (is_imagenet(facts.labels)) {
    return "It knows the 1,000 classes of ImageNet: animals, above all many breeds of dogs, plants, food, vehicles and "
           "things of everyday life. It knows no people, no places and no brands.";
  }
  return "It knows " + count + (facts.labels.size() == 1 ? " class: " : " classes: ") + named_labels(facts.labels) +
         ".";
}

std::string example_html(const std::string& name) {
  const std::string file = escape(name);
  const std::string label = escape(name.substr(0, name.rfind('.')));
  return "    <li><a href=\"examples/" + file + "\"><img src=\"examples/" + file +
         "\" alt=\"\" loading=\"lazy\" width=\"208\" height=\"208\">" + label + "</a></li>\n";
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

std::string isolated(std::string_view text) {
  return "<bdi>" + escape(text) + "</bdi>";
}

std::string root_of(std::string_view path) {
  std::string root;
  for (auto depth = std::count(path.begin(), path.end(), '/'); depth > 1; --depth) root += "../";
  return root;
}

std::string percent(double probability) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", probability * 100);
  const std::string_view digits = text;
  if (digits == "100.0") return "> 99.9 %";
  if (digits == "0.0") return "< 0.1 %";
  return std::string(digits) + " %";
}

std::string layout(std::string_view title, std::string_view body, std::string_view root, std::string_view request_id) {
  std::string html(assets::kLayout);
  fill(html, "title", escape(title));
  fill(html, "root", root);
  fill(html, "footer", request_id.empty() ? std::string() : "Request " + escape(request_id));
  fill(html, "script", "");
  // Last: the body may hold anything, also a marker.
  fill(html, "body", body);
  return html;
}

std::string index(const IndexFacts& facts) {
  std::string examples;
  for (const std::string& name : facts.examples) examples += example_html(name);
  std::string body(assets::kIndex);
  fill(body, "max", in_words(facts.max_upload_bytes));
  fill(body, "max_bytes", std::to_string(facts.max_upload_bytes));
  fill(body, "top_k", std::to_string(facts.top_k));
  fill(body, "signed_in", facts.signed_in);
  fill(body, "examples", examples);
  // Last: labels may be anything, also a marker.
  fill(body, "model", facts.model);
  std::string html(assets::kLayout);
  fill(html, "title", "Image classifier");
  fill(html, "root", "");
  fill(html, "footer", "");
  fill(html, "script", "<script src=\"app.js\" type=\"module\"></script>\n");
  fill(html, "body", body);
  return html;
}

std::string model_section(const std::optional<ModelFacts>& facts, std::string_view root) {
  std::string html = "<section id=\"model\"";
  if (facts && facts->demo) html += " class=\"demo\"";
  html += std::string(" data-loaded=\"") + (facts ? "true" : "false") +
          "\" aria-labelledby=\"model-title\">\n<h2 id=\"model-title\">What the model knows</h2>\n";
  if (!facts) return html + "<p>The model is still being loaded. Pictures wait until it is ready.</p>\n</section>\n";
  const std::string list = std::string(root) + "v1/classes";
  const std::string digest = escape(facts->weights_sha256);
  html += "<p>" + knowledge(*facts) +
          " Every picture gets the nearest of them, also one that shows none of them.</p>\n<p class=\"origin\">" +
          isolated(facts->name) + " · " + escape(facts->precision) + " · " + escape(facts->engine) +
          " · weights <code title=\"" + digest + "\">" + digest.substr(0, 8) + "</code></p>\n";
  html += "<details><summary>All classes</summary><div data-classes=\"" + list + "\"><p><a href=\"" + list +
          "\">The list, as JSON</a></p></div></details>\n</section>\n";
  return html;
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
