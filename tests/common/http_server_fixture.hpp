#pragma once

#include <catch2/catch.hpp>
#include <future>
#include <string>

#include "common/http_server.hpp"
#include "tests/support/raw_client.hpp"

namespace imageclassifier::test {

/// A server on a free port of 127.0.0.1: GET /hello, POST /echo (limit 1,000,000 bytes), POST /throw, POST /drop, and
/// POST /later, whose answer the test gives itself.
struct HttpServerFixture {
  explicit HttpServerFixture(HttpServerOptions options = {}) { start(std::move(options)); }

  void start(HttpServerOptions options) {
    options.address = "127.0.0.1";
    const auto text = [](const std::string& body) { return HttpResponse{.body = body}; };
    std::vector<HttpRoute> routes = {
        {"GET", "/hello", [text](HttpRequest, HttpResponder responder) { responder.respond(text("hello")); }},
        {"GET", "/query", [text](HttpRequest r, HttpResponder responder) { responder.respond(text(r.query)); }},
        {"POST", "/echo", [text](HttpRequest r, HttpResponder responder) { responder.respond(text(r.body)); },
         1'000'000},
        {"POST", "/throw", [](HttpRequest, HttpResponder) { throw std::runtime_error("secret detail"); }, 100},
        {"POST", "/drop", [](HttpRequest, HttpResponder) {}, 100},
        {"POST", "/later", [this](HttpRequest, HttpResponder responder) { later.set_value(std::move(responder)); },
         100}};
    auto started = HttpServer::start(std::move(options), std::move(routes));
    REQUIRE(started.has_value());
    server = std::move(*started);
  }

  RawClient connect() const { return RawClient(server->port()); }
  /// One exchange on a new connection, which the request should ask to close or the server closes itself.
  std::string exchange(std::string_view request) const {
    RawClient client = connect();
    client.send(request);
    return client.read_to_end();
  }
  int status(std::string_view request) const { return status_of(exchange(request)); }

  std::promise<HttpResponder> later;
  std::unique_ptr<HttpServer> server;
};

}  // namespace imageclassifier::test
