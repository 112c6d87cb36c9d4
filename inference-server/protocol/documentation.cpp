#include <memory>
#include <nlohmann/json.hpp>

#include "common/build_info.hpp"
#include "inference-server/protocol/request_context.hpp"
#include "inference-server/protocol/routes.hpp"
#include "inference-server/web/page.hpp"

namespace imageclassifier::protocol {
namespace {

using Json = nlohmann::ordered_json;

/// The object that a {"$ref": "#/..."} stands for.
const Json& resolved(const Json& document, const Json& object) {
  const auto reference = object.find("$ref");
  if (reference == object.end()) return object;
  return document.at(Json::json_pointer(reference->get<std::string>().substr(1)));
}

std::string text_of(const Json& object, const char* name) {
  return web::escape(object.value(name, std::string()));
}

std::string values_of(const Json& schema) {
  std::string text;
  for (const Json& value : schema.value("enum", Json::array())) {
    text += (text.empty() ? "" : " or ") + ("<code>" + web::escape(value.get<std::string>()) + "</code>");
  }
  return text.empty() ? text : text + ". ";
}

std::string parameters_html(const Json& document, const Json& operation) {
  std::string rows;
  for (const Json& reference : operation.value("parameters", Json::array())) {
    const Json& parameter = resolved(document, reference);
    rows += "<dt>" + text_of(parameter, "in") + " <code>" + text_of(parameter, "name") + "</code></dt>\n<dd>" +
            values_of(parameter["schema"]) + text_of(parameter, "description") + "</dd>\n";
  }
  return rows.empty() ? rows : "<dl>\n" + rows + "</dl>\n";
}

std::string operation_html(const Json& document, const std::string& method, const std::string& path,
                           const Json& operation) {
  std::string upper = method;
  for (char& c : upper) c = static_cast<char>(c - 'a' + 'A');
  std::string html = "<h3><code>" + upper + " " + web::escape(path) + "</code></h3>\n<p>" +
                     text_of(operation, "summary") + ". " + text_of(operation, "description") + "</p>\n";
  return html + parameters_html(document, operation);
}

std::string operations_of(const Json& document, const std::string& tag) {
  std::string html;
  for (const auto& [path, item] : document["paths"].items()) {
    for (const auto& [method, operation] : item.items()) {
      if (method == "parameters" || operation["tags"][0] != tag) continue;
      html += operation_html(document, method, path, operation);
    }
  }
  return html;
}

std::string docs_html(const Json& document) {
  std::string body = "<h1>Interface</h1>\n<p>" + text_of(document["info"], "summary") + " Version " +
                     text_of(document["info"], "version") +
                     ". For programs: <a href=\"openapi.json\">openapi.json</a>.</p>\n"
                     "<pre><code>curl -F image=@picture.jpg ADDRESS/v1/classify</code></pre>\n";
  for (const Json& tag : document["tags"]) {
    const std::string name = tag["name"].get<std::string>();
    body += "<h2>" + web::escape(name) + "</h2>\n<p>" + text_of(tag, "description") + "</p>\n";
    body += operations_of(document, name);
  }
  return web::layout("Interface", body, web::root_of("/docs"));
}

}  // namespace

std::vector<HttpRoute> documentation_routes() {
  Json document = Json::parse(web::openapi());
  document["info"]["version"] = build_version();
  const auto json = std::make_shared<const std::string>(document.dump() + "\n");
  const auto html = std::make_shared<const std::string>(docs_html(document));
  const HttpHandler describe = [json](const HttpRequest& request, const HttpResponder& responder) {
    HttpResponse response{.content_type = "application/json", .body = *json};
    add_common_headers(response, request_id(request));
    responder.respond(std::move(response));
  };
  const HttpHandler docs = [html](const HttpRequest& request, const HttpResponder& responder) {
    HttpResponse response;
    add_common_headers(response, request_id(request));
    web::become_page(response, *html);
    responder.respond(std::move(response));
  };
  return {{"GET", "/openapi.json", describe, 0, true},
          {"OPTIONS", "/", describe, 0, true},
          {"GET", "/docs", docs, 0, true}};
}

}  // namespace imageclassifier::protocol
