#include "operator/app/health.hpp"

#include <string>
#include <utility>
#include <vector>

namespace imageclassifier::app {
namespace {

HttpResponse text(int status, std::string body) {
  HttpResponse response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

}  // namespace

Result<std::unique_ptr<HttpServer>> serve_health(const RunOptions& options, std::function<bool()> synced,
                                                 const MetricsRegistry& metrics) {
  std::vector<HttpRoute> routes;
  routes.push_back(
      {"GET", "/healthz", [](HttpRequest, HttpResponder responder) { responder.respond(text(200, "ok\n")); }});
  routes.push_back({"GET", "/readyz", [synced = std::move(synced)](HttpRequest, HttpResponder responder) {
                      responder.respond(synced() ? text(200, "ok\n") : text(503, "the caches are not filled yet\n"));
                    }});
  routes.push_back({"GET", "/metrics", [&metrics](HttpRequest, HttpResponder responder) {
                      HttpResponse response = text(200, metrics.text());
                      response.content_type = MetricsRegistry::kContentType;
                      responder.respond(std::move(response));
                    }});
  HttpServerOptions server;
  server.address = options.listen_address;
  server.port = options.listen_port;
  server.handler_threads = 1;
  server.max_connections = 64;
  return HttpServer::start(std::move(server), std::move(routes));
}

}  // namespace imageclassifier::app
