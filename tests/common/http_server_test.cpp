#include "common/http_server.hpp"

#include <thread>

#include "tests/common/http_server_fixture.hpp"

using namespace imageclassifier;
using namespace imageclassifier::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

TEST_CASE_METHOD(HttpServerFixture, "a GET is answered and the connection is kept for the next one") {
  RawClient client = connect();
  for (int i = 0; i < 3; ++i) {
    client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    const std::string response = client.read_response();
    CHECK(status_of(response) == 200);
    CHECK(body_of(response) == "hello");
    CHECK_THAT(response, Contains("Content-Type: text/plain; charset=utf-8\r\n"));
    CHECK_THAT(response, Contains(" GMT\r\n"));
    CHECK_THAT(response, !Contains("Connection:"));
  }
}

TEST_CASE_METHOD(HttpServerFixture, "pipelined requests are answered in order") {
  RawClient client = connect();
  client.send(
      "GET /query?1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\ntwo"
      "GET /query?3 HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(body_of(client.read_response()) == "1");
  CHECK(body_of(client.read_response()) == "two");
  CHECK(body_of(client.read_response()) == "3");
}

TEST_CASE_METHOD(HttpServerFixture, "HEAD gives the header of GET without the body") {
  RawClient client = connect();
  client.send("HEAD /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string response = client.read_to_end();
  CHECK_THAT(response, Contains("Content-Length: 5\r\n"));
  CHECK(body_of(response).empty());
}

TEST_CASE_METHOD(HttpServerFixture, "HTTP/1.0 and Connection: close end the connection, HTTP/1.0 keep-alive does not") {
  CHECK_THAT(exchange("GET /hello HTTP/1.0\r\n\r\n"), Contains("Connection: close\r\n"));
  CHECK_THAT(exchange("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
             Contains("Connection: close\r\n"));
  RawClient client = connect();
  client.send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  CHECK_THAT(client.read_response(), Contains("Connection: keep-alive\r\n"));
  client.send("GET /hello HTTP/1.0\r\n\r\n");
  CHECK(status_of(client.read_response()) == 200);
}

TEST_CASE_METHOD(HttpServerFixture, "unknown paths are 404, other methods 405 with Allow, unknown methods 501") {
  RawClient client = connect();
  client.send("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(status_of(client.read_response()) == 404);
  client.send("DELETE /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string refused = client.read_response();
  CHECK(status_of(refused) == 405);
  CHECK_THAT(refused, Contains("Allow: GET, HEAD\r\n"));
  CHECK(status("BREW /hello HTTP/1.1\r\nHost: x\r\n\r\n") == 501);
  CHECK(status("POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody") == 405);
}

TEST_CASE_METHOD(HttpServerFixture, "an absolute-form target is routed by its path") {
  CHECK(status("GET http://x/hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") == 200);
}

TEST_CASE_METHOD(HttpServerFixture, "a handler that throws or gives no answer is a 500 without detail") {
  for (const char* path : {"/throw", "/drop"}) {
    RawClient client = connect();
    client.send(std::string("POST ") + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
    const std::string response = client.read_response();
    CHECK(status_of(response) == 500);
    CHECK_THAT(response, !Contains("secret"));
  }
}

TEST_CASE_METHOD(HttpServerFixture, "an answer may come later from another thread, once") {
  RawClient client = connect();
  client.send("POST /later HTTP/1.1\r\nHost: x\r\n\r\n");
  const HttpResponder responder = later.get_future().get();
  CHECK_FALSE(responder.client_gone());
  std::jthread([responder] {
    responder.respond({.status = 200, .body = "first"});
    responder.respond({.status = 200, .body = "second"});
  }).join();
  CHECK(body_of(client.read_response()) == "first");
  client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(body_of(client.read_response()) == "hello");
}

TEST_CASE_METHOD(HttpServerFixture, "a responder tells that its client is gone and outlives the server") {
  const bool hard = GENERATE(false, true);
  auto client = std::make_unique<RawClient>(server->port());
  client->send("POST /later HTTP/1.1\r\nHost: x\r\n\r\n");
  const HttpResponder responder = later.get_future().get();
  if (hard) client->reset();
  client.reset();
  const auto end = SystemClock().steady_now() + 10s;
  while (!responder.client_gone() && SystemClock().steady_now() < end) std::this_thread::yield();
  CHECK(responder.client_gone());
  server.reset();
  responder.respond({.body = "nobody reads this"});
}

TEST_CASE_METHOD(HttpServerFixture, "a client that half-closes still reads its answer") {
  RawClient client = connect();
  client.send("POST /later HTTP/1.1\r\nHost: x\r\n\r\n");
  client.half_close();
  const HttpResponder responder = later.get_future().get();
  responder.respond({.body = "answer"});
  CHECK(body_of(client.read_to_end()) == "answer");
}

TEST_CASE("refusals are made by the callback and every exchange is observed") {
  HttpServerOptions options;
  std::promise<std::string> observed;
  options.refusal_response = [](const HttpRefusalContext& context) {
    const std::string id(context.head != nullptr ? context.head->header("x-request-id") : "none");
    return HttpResponse{.status = 200, .content_type = "application/json", .body = "{\"id\":\"" + id + "\"}"};
  };
  options.observer = [&observed](const HttpExchange& exchange) {
    observed.set_value(exchange.route + " " + std::to_string(exchange.response->status) + " " +
                       exchange.request->method);
  };
  HttpServerFixture fixture(options);
  const std::string response = fixture.exchange(
      "POST /echo HTTP/1.1\r\nHost: x\r\nX-Request-ID: 7\r\n"
      "Content-Length: 1000001\r\n\r\n");
  CHECK(status_of(response) == 413);
  CHECK(body_of(response) == "{\"id\":\"7\"}");
  CHECK(observed.get_future().get() == "/echo 413 POST");
}

TEST_CASE_METHOD(HttpServerFixture, "answer headers cannot be split by a value with a line break") {
  RawClient client = connect();
  client.send("POST /later HTTP/1.1\r\nHost: x\r\n\r\n");
  later.get_future().get().respond({.body = "x", .headers = {{"X-Bad", "a\r\nX-Evil: 1"}, {"X-Good", "1"}}});
  const std::string response = client.read_response();
  CHECK_THAT(response, !Contains("X-Evil"));
  CHECK_THAT(response, Contains("X-Good: 1\r\n"));
}

TEST_CASE("what depends on the request alone is added to every answer, refusals too") {
  HttpServerOptions options;
  options.before_answer = [](const HttpRequest& head, HttpResponse& response) {
    response.headers.push_back({"X-Asked", head.path});
  };
  const HttpServerFixture server(std::move(options));
  CHECK_THAT(server.exchange("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
             Contains("X-Asked: /hello\r\n"));
  CHECK_THAT(server.exchange("GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
             Contains("404 Not Found") && Contains("X-Asked: /nowhere\r\n"));
  CHECK_THAT(server.exchange("garbage\r\n\r\n"), Contains(" 400 ") && !Contains("X-Asked"));
}

TEST_CASE("a quick route is answered while every handler thread is busy") {
  std::promise<void> gate;
  std::shared_future<void> opened = gate.get_future().share();
  HttpServerOptions options{.address = "127.0.0.1", .handler_threads = 1};
  auto started = HttpServer::start(
      options,
      {{"GET", "/slow",
        [opened](const HttpRequest&, const HttpResponder& responder) {
          opened.wait();
          responder.respond({.body = "slow"});
        }},
       {"GET", "/quick",
        [](const HttpRequest&, const HttpResponder& responder) { responder.respond({.body = "quick"}); }, 0, true}});
  REQUIRE(started.has_value());
  RawClient slow((*started)->port());
  slow.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  RawClient quick((*started)->port());
  quick.send("GET /quick HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(body_of(quick.read_response()) == "quick");
  gate.set_value();
  CHECK(body_of(slow.read_response()) == "slow");
}

TEST_CASE("an address that is taken or is none is an error that names it") {
  HttpServerFixture first;
  const auto taken = HttpServer::start({.address = "127.0.0.1", .port = first.server->port()}, {});
  REQUIRE_FALSE(taken.has_value());
  CHECK(taken.error().code == ErrorCode::kUnavailable);
  const auto bad = HttpServer::start({.address = "nowhere"}, {});
  REQUIRE_FALSE(bad.has_value());
  CHECK(bad.error().code == ErrorCode::kInvalidArgument);
}
