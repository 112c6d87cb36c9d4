#include <thread>

#include "common/http_server.hpp"
#include "tests/common/http_server_fixture.hpp"

using namespace imageclassifier;
using namespace imageclassifier::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

TEST_CASE_METHOD(HttpServerFixture, "an announced drain still serves, and every answer says Connection: close") {
  RawClient client = connect();
  client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK_THAT(client.read_response(), !Contains("Connection: close"));
  server->announce_drain();
  client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK_THAT(client.read_to_end(), Contains("Connection: close") && Contains("hello"));
  CHECK(status("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n") == 200);
}

TEST_CASE_METHOD(HttpServerFixture, "a drain closes idle connections and waits for what is in flight") {
  RawClient idle = connect();
  idle.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  idle.read_response();
  RawClient busy = connect();
  busy.send("POST /later HTTP/1.1\r\nHost: x\r\n\r\n");
  const HttpResponder responder = later.get_future().get();
  std::promise<bool> drained;
  std::jthread drainer([this, &drained] { drained.set_value(server->drain(10s)); });
  CHECK(idle.read_to_end().empty());
  CHECK_THROWS(connect());
  responder.respond({.body = "finished"});
  CHECK_THAT(busy.read_to_end(), Contains("finished") && Contains("Connection: close"));
  busy.half_close();
  CHECK(drained.get_future().get());
}

TEST_CASE_METHOD(HttpServerFixture, "a request whose header is under way when the drain begins is served") {
  RawClient client = connect();
  client.send("GET /hello HTTP/1.1\r\nHos");
  // The server has read that half: a later exchange on another connection is answered by the same I/O thread.
  CHECK(status("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") == 200);
  std::promise<bool> drained;
  std::jthread drainer([this, &drained] { drained.set_value(server->drain(10s)); });
  client.send("t: x\r\n\r\n");
  CHECK_THAT(client.read_to_end(), Contains("hello"));
  client.half_close();
  CHECK(drained.get_future().get());
}

TEST_CASE_METHOD(HttpServerFixture, "a drain gives up at its deadline or at the second request to stop") {
  RawClient busy = connect();
  busy.send("POST /later HTTP/1.1\r\nHost: x\r\n\r\n");
  const HttpResponder responder = later.get_future().get();
  CHECK_FALSE(server->drain(50ms));
  std::stop_source fast;
  fast.request_stop();
  CHECK_FALSE(server->drain(1h, fast.get_token()));
  server.reset();
  CHECK(busy.closed_within(10s));
}

TEST_CASE_METHOD(HttpServerFixture, "a server without connections drains at once") {
  CHECK(server->drain(0s));
}
