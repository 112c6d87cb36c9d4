#include <stdexcept>
#include <thread>

#include "tests/operator/kubernetes/transport_rig.hpp"

// What every Transport promises of stream(), with and without TLS.
using namespace imageclassifier;
using namespace imageclassifier::kubernetes;
using namespace imageclassifier::testing;
using namespace std::chrono_literals;
using Cause = StreamEnd::Cause;

TEMPLATE_LIST_TEST_CASE("a stream delivers lines as they come, whatever the chunks are", "", EachTransport) {
  Rig<TestType> rig([&](Connection& connection, int) {
    connection.read_request();
    connection.send(kChunked + chunk("one\ntw") + chunk("o\r\nth\xc3") + chunk("\xa4ree\n\nfour") + "0\r\n\r\n");
  });
  Lines lines;
  const auto end = rig.stream(lines);
  REQUIRE(end);
  CHECK(end->status == 200);
  CHECK(end->cause == Cause::kEndOfStream);
  CHECK(lines.seen == std::vector<std::string>{"one", "two", "th\xc3\xa4ree", "four"});
}

TEMPLATE_LIST_TEST_CASE("a stream is not mistaken for the interim answer before it", "", EachTransport) {
  Rig<TestType> rig([&](Connection& connection, int) {
    connection.read_request();
    connection.send("HTTP/1.1 103 Early Hints\r\n\r\n" + kChunked + chunk("one\n") + "0\r\n\r\n");
  });
  Lines lines;
  const auto end = rig.stream(lines);
  if (end) {
    CHECK(end->status == 200);
    CHECK(lines.seen == std::vector<std::string>{"one"});
  } else {
    CHECK(end.error().code == ErrorCode::kUnavailable);
    CHECK(lines.seen.empty());
  }
}

TEMPLATE_LIST_TEST_CASE("a line is delivered while the stream stays open, and silence ends it", "", EachTransport) {
  Rig<TestType> rig([&](Connection& connection, int) {
    connection.read_request();
    connection.send(kChunked + chunk("one\n"));
    connection.wait_for_close();
  });
  Lines lines;
  const auto end = rig.stream(lines, 300ms);
  REQUIRE(end);
  CHECK(end->cause == Cause::kIdleTimeout);
  CHECK(lines.seen == std::vector<std::string>{"one"});
}

TEMPLATE_LIST_TEST_CASE("a stream that is not answered in time is an error", "", EachTransport) {
  Rig<TestType> rig([&](Connection& connection, int) { connection.wait_for_close(); });
  Lines lines;
  const auto end = rig.stream(lines, 300ms);
  REQUIRE_FALSE(end);
  CHECK(end.error().code == ErrorCode::kDeadlineExceeded);
}

TEMPLATE_LIST_TEST_CASE("a lost connection in the middle of a stream is told apart from its end", "", EachTransport) {
  const bool reset = GENERATE(false, true);
  std::atomic<bool> arrived{false};
  Rig<TestType> rig([&](Connection& connection, int) {
    connection.read_request();
    connection.send(kChunked + chunk("one\n") + "100\r\nhalf");
    while (!arrived) std::this_thread::sleep_for(1ms);  // a reset drops what was not read
    if (reset) connection.reset();
  });
  Lines lines;
  lines.decide = [&](std::string_view) { return arrived = true; };
  const auto end = rig.stream(lines);
  REQUIRE(end);
  CHECK(end->cause == Cause::kBroken);
  CHECK(lines.seen == std::vector<std::string>{"one"});
}

TEMPLATE_LIST_TEST_CASE("a refused stream carries the server's answer", "", EachTransport) {
  Rig<TestType> rig([&](Connection& connection, int) {
    connection.read_request();
    connection.send(answer("{\"kind\":\"Status\"}", "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 5\r\n"));
  });
  Lines lines;
  const auto end = rig.stream(lines);
  REQUIRE(end);
  CHECK(end->cause == Cause::kRefusedByServer);
  CHECK(end->status == 429);
  CHECK(end->body == "{\"kind\":\"Status\"}");
  CHECK(find_header(end->headers, "Retry-After") == "5");
  CHECK(lines.seen.empty());
}

TEMPLATE_LIST_TEST_CASE("a sink that has enough, and a line that is too long, end the stream", "", EachTransport) {
  Rig<TestType> rig(
      [&](Connection& connection, int) {
        connection.read_request();
        connection.send(kChunked + chunk("one\ntwo\n"));
        while (connection.send(chunk(std::string(10000, 'x')))) {
        }
      },
      {.maximum_line = 50000});
  Lines enough;
  enough.decide = [](std::string_view line) { return line != "one"; };
  auto end = rig.stream(enough);
  REQUIRE(end);
  CHECK(end->cause == Cause::kEndedBySink);
  CHECK(enough.seen.size() == 1);
  Lines lines;
  end = rig.stream(lines);
  REQUIRE(end);
  CHECK(end->cause == Cause::kLineTooLong);
  CHECK(lines.seen.size() == 2);
}

TEMPLATE_LIST_TEST_CASE("lines that lie in the last piece are delivered, and a stop from within the sink counts", "",
                        EachTransport) {
  Rig<TestType> rig([&](Connection& connection, int) {
    connection.read_request();
    connection.send(kChunked + chunk("one\ntwo\nthree\n") + "0\r\n\r\n");
  });
  Lines lines;
  std::stop_source stop;
  lines.decide = [&](std::string_view line) {
    if (line == "three") stop.request_stop();
    return true;
  };
  const auto end = rig.stream(lines, 10s, stop.get_token());
  REQUIRE_FALSE(end);
  CHECK(end.error().code == ErrorCode::kCancelled);
  CHECK(lines.seen.size() == 3);
}

TEMPLATE_LIST_TEST_CASE("an exception of the sink reaches the caller", "", EachTransport) {
  Rig<TestType> rig([&](Connection& connection, int) {
    while (!connection.read_request().empty()) connection.send(kChunked + chunk("one\n"));
  });
  Lines lines;
  lines.decide = [](std::string_view) -> bool { throw std::runtime_error("of the sink"); };
  CHECK_THROWS_WITH(rig.stream(lines), "of the sink");
}

TEST_CASE("a stream without chunks: cpprestsdk refuses it, because its lines would come in lumps; libcurl needs none") {
  const auto serve = [&](Connection& connection, int) {
    connection.read_request();
    connection.send(answer("one\n"));
  };
  Lines lines;
  Rig<Curl> curl(serve);
  const auto end = curl.stream(lines);
  REQUIRE(end);
  CHECK(end->cause == Cause::kEndOfStream);
  CHECK(lines.seen == std::vector<std::string>{"one"});
#ifndef __SANITIZE_THREAD__
  Rig<Cpprest> cpprest(serve);
  const auto refused = cpprest.stream(lines);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kUnsupported);
#endif
}

TEMPLATE_LIST_TEST_CASE("a slow reader slows the server down instead of filling memory", "", EachTransport) {
  std::atomic<std::size_t> sent{0};
  std::atomic<bool> go_on{false};
  Rig<TestType> rig([&](Connection& connection, int) {
    connection.read_request();
    connection.send(kChunked);
    const std::string line = chunk(std::string(99999, 'x') + "\n");
    while (sent < 100'000'000 && connection.send(line)) sent += 100000;
    connection.send("0\r\n\r\n");
  });
  Lines lines;
  std::size_t total = 0;
  lines.decide = [&](std::string_view line) {
    total += line.size() + 1;
    lines.seen.clear();
    if (!go_on) {
      // Until the server has stood still for a while.
      for (std::size_t before = 1; before != sent;) {
        before = sent;
        std::this_thread::sleep_for(100ms);
      }
      CHECK(sent < 30'000'000);
      go_on = true;
    }
    return true;
  };
  const auto end = rig.stream(lines, 30s);
  REQUIRE(end);
  CHECK(end->cause == Cause::kEndOfStream);
  CHECK(total == sent);
}
