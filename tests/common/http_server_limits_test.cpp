#include <thread>
#include <vector>

#include "common/http_server.hpp"
#include "tests/common/http_server_fixture.hpp"

using namespace imageclassifier;
using namespace imageclassifier::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;

namespace {

HttpServerOptions short_times() {
  HttpServerOptions options;
  options.header_timeout = 150ms;
  options.body_idle_timeout = 150ms;
  options.body_timeout = 400ms;
  options.keep_alive_timeout = 150ms;
  return options;
}

std::string header(std::string_view extra) {
  return "POST /echo HTTP/1.1\r\nHost: x\r\n" + std::string(extra) + "\r\n";
}

/// Sends `byte` again and again until the server answers or closes, as a slow-loris does.
std::string drip(RawClient& client, std::string_view byte) {
  const auto end = SystemClock().steady_now() + 10s;
  while (SystemClock().steady_now() < end && client.send(byte)) {
    if (client.closed_within(20ms)) break;
    if (client.has_data()) break;
  }
  return client.read_to_end();
}

}  // namespace

TEST_CASE_METHOD(HttpServerFixture, "a header of 17 KiB, target included, is 431 and the client can read it") {
  CHECK(status("GET /hello HTTP/1.1\r\nHost: x\r\nA: " + std::string(17 * 1024, 'a') + "\r\n\r\n") == 431);
  const std::string response = exchange("GET /" + std::string(17 * 1024, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(status_of(response) == 431);
  CHECK_THAT(response, !EndsWith("RESET"));
  CHECK(status("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\nA: " + std::string(16'000, 'a') + "\r\n\r\n") ==
        200);
}

TEST_CASE("a header that does not arrive in time is 408, or a plain close when no byte came") {
  HttpServerFixture fixture(short_times());
  RawClient silent = fixture.connect();
  CHECK(silent.read_to_end().empty());
  RawClient half = fixture.connect();
  half.send("GET /hello HTT");
  CHECK(status_of(half.read_to_end()) == 408);
  RawClient slow = fixture.connect();
  slow.send("GET /hello HTTP/1.1\r\nA: ");
  CHECK(status_of(drip(slow, "a")) == 408);
}

TEST_CASE("a body that stops or creeps is 408") {
  HttpServerFixture fixture(short_times());
  RawClient half = fixture.connect();
  half.send(header("Content-Length: 10\r\n") + "12345");
  CHECK(status_of(half.read_to_end()) == 408);
  RawClient slow = fixture.connect();
  slow.send(header("Content-Length: 100000\r\n"));
  CHECK(status_of(drip(slow, "a")) == 408);
}

TEST_CASE("a body that drips is 408 as soon as one that stops, and one that is slow but comes on is served") {
  HttpServerOptions options;
  options.body_idle_timeout = 150ms;
  HttpServerFixture impatient(options);
  RawClient dripping = impatient.connect();
  dripping.send(header("Content-Length: 100000\r\n"));
  CHECK(status_of(drip(dripping, "a")) == 408);

  options.body_idle_timeout = 1s;
  HttpServerFixture patient(options);
  RawClient slow = patient.connect();
  slow.send(header("Content-Length: 49152\r\n"));
  Duration longest_pause{};
  for (int i = 0; i < 12; ++i) {
    const SteadyTime before = SystemClock().steady_now();
    CHECK_FALSE(slow.closed_within(100ms));
    slow.send(std::string(4096, 'x'));
    longest_pause = std::max<Duration>(longest_pause, SystemClock().steady_now() - before);
  }
  // A starved machine may not give this client its turn in time.
  CHECK((status_of(slow.read_response()) == 200 || longest_pause > 500ms));
}

TEST_CASE("an idle kept connection is closed without a word") {
  HttpServerFixture fixture(short_times());
  RawClient client = fixture.connect();
  client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(body_of(client.read_response()) == "hello");
  CHECK(client.read_to_end().empty());
}

TEST_CASE_METHOD(HttpServerFixture, "a body over the limit is 413 instead of 100 Continue") {
  RawClient client = connect();
  client.send(header("Expect: 100-continue\r\nContent-Length: 1000001\r\n"));
  const std::string response = client.read_response();
  CHECK(status_of(response) == 413);
  CHECK_THAT(response, Contains("Connection: close\r\n"));
}

TEST_CASE_METHOD(HttpServerFixture, "a body within the limit gets its 100 Continue") {
  RawClient client = connect();
  client.send(header("Expect: 100-continue\r\nContent-Length: 1000000\r\n"));
  CHECK(status_of(client.read_response()) == 100);
  client.send(std::string(1'000'000, 'b'));
  CHECK(body_of(client.read_response()).size() == 1'000'000);
}

TEST_CASE_METHOD(HttpServerFixture, "a client that sends its too large body anyway reads the 413, not a reset") {
  RawClient client = connect();
  client.send(header("Content-Length: 3000000\r\n"));
  for (int i = 0; i < 300 && client.send(std::string(10'000, 'b')); ++i) {
  }
  const std::string response = client.read_to_end();
  CHECK(status_of(response) == 413);
}

TEST_CASE_METHOD(HttpServerFixture, "a chunked body is decoded, and 413 while it is read when it grows too large") {
  RawClient client = connect();
  client.send(header("Transfer-Encoding: chunked\r\n") + "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  CHECK(body_of(client.read_response()) == "abcde");
  client.send(header("Transfer-Encoding: chunked\r\n"));
  const std::string chunk = "186a0\r\n" + std::string(100'000, 'c') + "\r\n";
  for (int i = 0; i < 11 && client.send(chunk); ++i) {
  }
  CHECK(status_of(client.read_response()) == 413);
}

TEST_CASE_METHOD(HttpServerFixture, "ambiguous framing is 400 and closes") {
  for (const char* framing :
       {"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 3\r\nContent-Length: 3\r\n",
        "Content-Length: 3, 3\r\n", "Transfer-Encoding: gzip\r\n", "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: -3\r\n", "Content-Length: 3x\r\n", "Content-Length : 3\r\n"}) {
    INFO(framing);
    CHECK(status(header(framing) + "abc") == 400);
  }
}

TEST_CASE_METHOD(HttpServerFixture, "bad chunks and too many chunks are 400 and close") {
  CHECK(status(header("Transfer-Encoding: chunked\r\n") + "zz\r\n") == 400);
  std::string flood = header("Transfer-Encoding: chunked\r\n");
  for (int i = 0; i < 100'001; ++i) flood += "1\r\nx\r\n";
  CHECK(status(flood) == 400);
}

TEST_CASE_METHOD(HttpServerFixture, "missing or repeated Host, bare LF, folding and bad versions are 400") {
  CHECK(status("GET /hello HTTP/1.1\r\n\r\n") == 400);
  CHECK(status("GET /hello HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n") == 400);
  CHECK(status("GET /hello HTTP/1.1\nHost: x\n\n") == 400);
  CHECK(status("GET /hello HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n") == 400);
  CHECK(status("GET /hello HTTP/2.0\r\nHost: x\r\n\r\n") == 400);
  CHECK(status("GET\r\n\r\n") == 400);
  CHECK(status("\x16\x03\x01\x02\r\n\r\n") == 400);
}

TEST_CASE_METHOD(HttpServerFixture, "an Expect other than 100-continue is 417") {
  CHECK(status(header("Expect: 200-ok\r\nContent-Length: 3\r\n") + "abc") == 417);
}

TEST_CASE("bodies that together exceed the budget are 429") {
  HttpServerOptions options;
  options.max_buffered_bytes = 1000;
  HttpServerFixture fixture(options);
  CHECK(fixture.status(header("Content-Length: 5000\r\n") + std::string(4000, 'x')) == 429);
  // The budget is given back.
  CHECK(fixture.status(header("Connection: close\r\nContent-Length: 900\r\n") + std::string(900, 'x')) == 200);
}

TEST_CASE("half-sent bodies that fill the budget give way to one that arrives, the one that stalls longest first") {
  HttpServerOptions options;
  options.max_buffered_bytes = 1000;
  HttpServerFixture fixture(options);
  std::vector<RawClient> stalled;
  for (int i = 0; i < 2; ++i) {
    stalled.push_back(fixture.connect());
    stalled.back().send(header("Content-Length: 500\r\n") + std::string(450, 'x'));
    // What comes later is answered after that was read.
    CHECK(fixture.status("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") == 200);
  }
  RawClient arriving = fixture.connect();
  arriving.send(header("Content-Length: 300\r\n") + std::string(200, 'x'));
  CHECK(status_of(stalled[0].read_to_end()) == 429);
  arriving.send(std::string(100, 'x'));
  CHECK(status_of(arriving.read_response()) == 200);
  stalled[1].send(std::string(50, 'x'));
  CHECK(status_of(stalled[1].read_response()) == 200);
}

TEST_CASE("beyond the connection limit the one that waits longest makes room, a busy one never does") {
  HttpServerOptions options;
  options.max_connections = 3;
  HttpServerFixture fixture(options);
  RawClient busy = fixture.connect();
  busy.send("POST /later HTTP/1.1\r\nHost: x\r\n\r\n");
  const HttpResponder responder = fixture.later.get_future().get();
  RawClient oldest = fixture.connect();
  oldest.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(body_of(oldest.read_response()) == "hello");
  RawClient younger = fixture.connect();
  younger.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(body_of(younger.read_response()) == "hello");
  RawClient newest = fixture.connect();
  newest.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(body_of(newest.read_response()) == "hello");
  CHECK(oldest.closed_within(10s));
  younger.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(body_of(younger.read_response()) == "hello");
  responder.respond({.body = "still here"});
  CHECK(body_of(busy.read_response()) == "still here");
}

TEST_CASE("when every connection is in use, the upload that has stalled longest gives way to one that arrives") {
  HttpServerOptions options;
  options.max_connections = 2;
  HttpServerFixture fixture(options);
  RawClient first = fixture.connect();
  RawClient second = fixture.connect();
  for (RawClient* each : {&first, &second}) {
    each->send(header("Expect: 100-continue\r\nContent-Length: 500\r\n"));
    CHECK(status_of(each->read_response()) == 100);
  }
  CHECK(fixture.status("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") == 200);
  CHECK(status_of(first.read_to_end()) == 429);
  second.send(std::string(500, 'x'));
  CHECK(status_of(second.read_response()) == 200);
}

TEST_CASE("hundreds of half-sent headers do not keep a whole request from being served") {
  HttpServerOptions options;
  options.max_connections = 200;
  HttpServerFixture fixture(options);
  std::vector<RawClient> loris;
  for (int i = 0; i < 300; ++i) {
    loris.push_back(fixture.connect());
    loris.back().send("POST /echo HTTP/1.1\r\nHost: x\r\nA: ");
  }
  std::vector<std::jthread> threads;
  std::atomic<int> good{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&fixture, &good] {
      for (int i = 0; i < 50; ++i) {
        if (fixture.status("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") == 200) ++good;
      }
    });
  }
  threads.clear();
  CHECK(good == 200);
  CHECK(fixture.server->connections() <= 200);
}
