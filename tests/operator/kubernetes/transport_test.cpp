#include "operator/kubernetes/transport.hpp"

#include <thread>

#include "common/guarded.hpp"
#include "tests/operator/kubernetes/transport_rig.hpp"

// What every Transport promises of send(), with and without TLS.
using namespace imageclassifier;
using namespace imageclassifier::kubernetes;
using namespace imageclassifier::testing;
using namespace std::chrono_literals;

TEMPLATE_LIST_TEST_CASE("a request arrives as it was built, under the server's path prefix", "", EachTransport) {
  std::string received;
  Rig<TestType> rig(
      [&](Connection& connection, int) {
        received = connection.read_request();
        connection.send(answer("{}", "HTTP/1.1 201 Created\r\nWarning: 299 - \"old\"\r\n"));
      },
      {}, "/prefix");
  const auto response = rig.send(
      {Method::kPatch, "/api/v1/x?a=b%2Cc&d=%25", {{"Content-Type", "application/apply-patch+yaml"}}, "{\"a\":1}"});
  REQUIRE(response);
  CHECK(response->status == 201);
  CHECK(response->body == "{}");
  CHECK(find_header(response->headers, "warning") == "299 - \"old\"");
  CHECK_THAT(received, Catch::StartsWith("PATCH /prefix/api/v1/x?a=b%2Cc&d=%25 HTTP/1.1\r\n"));
  CHECK_THAT(received, Catch::Matches("[^]*Content-Type: ?application/apply-patch\\+yaml\r\n[^]*"));
  CHECK_THAT(received, Catch::Matches("[^]*Host: ?127\\.0\\.0\\.1:" + std::to_string(rig.server.port()) + "\r\n[^]*"));
  CHECK_THAT(received, Catch::EndsWith("{\"a\":1}"));
}

TEMPLATE_LIST_TEST_CASE("each method is sent as it is called, with a length for what may have a body", "",
                        EachTransport) {
  Guarded<std::string> last;
  Rig<TestType> rig([&](Connection& connection, int) {
    while (true) {
      const std::string request = connection.read_request();
      if (request.empty()) return;
      *last.lock() = request;
      connection.send(answer("{}"));
    }
  });
  for (const Method method : {Method::kGet, Method::kPost, Method::kPut, Method::kPatch, Method::kDelete}) {
    for (const std::string body : {"", "body"}) {
      if (method == Method::kGet && !body.empty()) continue;
      REQUIRE(rig.send({method, "/x", {{"Content-Type", "text/plain"}}, body}));
      const std::string received = *last.lock();
      INFO(received);
      CHECK_THAT(received, Catch::StartsWith(to_string(method) + std::string(" /x HTTP/1.1\r\n")));
      CHECK_THAT(received, Catch::EndsWith("\r\n\r\n" + body));
      if (!body.empty()) CHECK_THAT(received, Catch::Matches("[^]*Content-Length: ?4\r\n[^]*"));
    }
  }
}

TEMPLATE_LIST_TEST_CASE("a large body arrives whole, without waiting for a leave to send it", "", EachTransport) {
  const std::string body(3'000'000, 'b');
  std::string received;
  Rig<TestType> rig([&](Connection& connection, int) {
    received = connection.read_request();
    connection.send(answer(std::string(5'000'000, 'a')));
  });
  const auto response = rig.send({Method::kPut, "/x", {}, body});
  REQUIRE(response);
  CHECK(response->body == std::string(5'000'000, 'a'));
  CHECK_THAT(received, Catch::EndsWith(body) && !Catch::Contains("100-continue"));
}

TEMPLATE_LIST_TEST_CASE("a refusal of the server is a response", "", EachTransport) {
  Rig<TestType> rig([&](Connection& connection, int) {
    connection.read_request();
    connection.send(answer("gone", "HTTP/1.1 410 Gone\r\n"));
  });
  const auto response = rig.send(kGet);
  REQUIRE(response);
  CHECK(response->status == 410);
  CHECK(response->body == "gone");
}

TEMPLATE_LIST_TEST_CASE("an answer to HEAD has no body, whatever length it tells", "", EachTransport) {
  Rig<TestType> rig([&](Connection& connection, int) {
    CHECK_THAT(connection.read_request(), Catch::StartsWith("HEAD /x "));
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
    CHECK_THAT(connection.read_request(), Catch::StartsWith("GET "));
    connection.send(answer("next"));
  });
  const auto head = rig.send({Method::kHead, "/x", {}, {}});
  REQUIRE(head);
  CHECK(head->body.empty());
  CHECK(find_header(head->headers, "Content-Length") == "100");
  const auto next = rig.send(kGet);
  REQUIRE(next);
  CHECK(next->body == "next");
}

TEMPLATE_LIST_TEST_CASE("redirects are not followed, so credentials go nowhere else", "", EachTransport) {
  ScriptedServer other([](Connection& connection, int) { connection.read_request(); });
  const std::string status = GENERATE("301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent");
  Rig<TestType> rig([&](Connection& connection, int) {
    while (!connection.read_request().empty()) {
      connection.send(answer("", "HTTP/1.1 " + status + "\r\nLocation: " + other.url() + "/\r\n"));
    }
  });
  for (Request request : {kGet, kPost}) {
    request.headers.push_back({"Authorization", "Bearer x"});
    const auto response = rig.send(request);
    REQUIRE(response);
    CHECK(std::to_string(response->status) == status.substr(0, 3));
  }
  Lines lines;
  const auto stream = rig.stream(lines);
  CHECK(lines.seen.empty());
  CHECK(other.connections() == 0);
}

TEMPLATE_LIST_TEST_CASE("nobody listening is kUnavailable", "", EachTransport) {
  std::string url;
  {
    Rig<TestType> gone([](Connection&, int) {});
    url = gone.server.url();
  }
  Client client(config_for(url), {.kind = TestType::kKind});
  const auto response = client.send(kGet);
  REQUIRE_FALSE(response);
  CHECK(response.error().code == ErrorCode::kUnavailable);
  Lines lines;
  const auto stream = client.stream(lines);
  REQUIRE_FALSE(stream);
  CHECK(stream.error().code == ErrorCode::kUnavailable);
}

TEST_CASE("libcurl says why a connection fails, in words that are always the same") {
  const auto cause = [](const std::string& url) {
    const auto response = Client(config_for(url), {.kind = TransportKind::kCurl}).send(kGet);
    REQUIRE_FALSE(response);
    REQUIRE(response.error().cause);
    return response.error().cause->message;
  };
  std::string gone;
  {
    ScriptedServer server([](Connection&, int) {});
    gone = server.url();
  }
  CHECK(cause(gone) == "it refuses the connection");
  CHECK(cause("http://nobody.invalid") == "its name does not resolve");
  ScriptedServer cut([](Connection& connection, int) {
    connection.read_request();
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
  });
  CHECK(cause(cut.url()) == "its answer is cut short");
}

TEMPLATE_LIST_TEST_CASE("an answer that is cut or no HTTP is kUnavailable", "", EachTransport) {
  const std::string text =
      GENERATE("", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "garbage\r\n\r\n", "HTTP/1.1 200 OK\r\nX",
               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffffff\r\n");
  const bool reset = GENERATE(false, true);
  Rig<TestType> rig([&](Connection& connection, int) {
    connection.read_request();
    connection.send(text);
    if (reset) connection.reset();
  });
  const auto response = rig.send(kGet);
  REQUIRE_FALSE(response);
  CHECK(response.error().code == ErrorCode::kUnavailable);
}

TEMPLATE_LIST_TEST_CASE("an interim answer is never taken for the final one, nor an answer for that to another request",
                        "", EachTransport) {
  const std::string interim =
      GENERATE("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
  Rig<TestType> rig([&](Connection& connection, int) {
    for (std::string asked = connection.read_request(); !asked.empty(); asked = connection.read_request()) {
      const std::string target = asked.substr(asked.find(' ') + 1, 2);
      connection.send((target == "/a" ? interim : "") + answer(target));
    }
  });
  const auto first = rig.send({Method::kGet, "/a", {}, {}});
  if (first) {
    CHECK(first->status == 200);
    CHECK(first->body == "/a");
  } else {
    CHECK(first.error().code == ErrorCode::kUnavailable);
    CHECK_THAT(first.error().message, Catch::Contains("--transport=curl"));
  }
  const auto second = rig.send({Method::kGet, "/b", {}, {}});
  REQUIRE(second);
  CHECK(second->body == "/b");
}

TEMPLATE_LIST_TEST_CASE("a request ends at its deadline even if the server stalls after the head", "", EachTransport) {
  const std::string text = GENERATE("", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
  Rig<TestType> rig([&](Connection& connection, int) {
    connection.read_request();
    connection.send(text);
    connection.wait_for_close();
  });
  const SteadyTime started = rig.client.clock.steady_now();
  const auto response = rig.send(kGet, 300ms);
  REQUIRE_FALSE(response);
  CHECK(response.error().code == ErrorCode::kDeadlineExceeded);
  const auto taken = rig.client.clock.steady_now() - started;
  CHECK(taken >= 300ms);
  CHECK(taken < 2s);
}

TEMPLATE_LIST_TEST_CASE("a server that drips bytes for ever does not outlast the deadline", "", EachTransport) {
  Rig<TestType> rig([&](Connection& connection, int) {
    connection.read_request();
    connection.send(kChunked);
    while (connection.send(chunk("x"))) std::this_thread::sleep_for(5ms);
  });
  const auto response = rig.send(kGet, 300ms);
  REQUIRE_FALSE(response);
  CHECK(response.error().code == ErrorCode::kDeadlineExceeded);
}

TEMPLATE_LIST_TEST_CASE("a deadline that has passed sends nothing", "", EachTransport) {
  Rig<TestType> rig([](Connection& connection, int) { connection.read_request(); });
  const auto response = rig.send(kPost, -1ms);
  REQUIRE_FALSE(response);
  CHECK(response.error().code == ErrorCode::kDeadlineExceeded);
  CHECK(rig.server.connections() == 0);
}

TEMPLATE_LIST_TEST_CASE("a stop ends a request and a stream at once", "", EachTransport) {
  std::stop_source stop;
  std::atomic<SteadyTime> stopped{};
  Rig<TestType> rig([&](Connection& connection, int) {
    const std::string request = connection.read_request();
    if (request.find("/watch") != std::string::npos) connection.send(kChunked + chunk("line\n"));
    std::this_thread::sleep_for(20ms);  // so that the client waits
    stopped = std::chrono::steady_clock::now();
    stop.request_stop();
    connection.wait_for_close();
  });
  const auto response = rig.send(kGet, 60s, stop.get_token());
  CHECK(rig.client.clock.steady_now() - stopped.load() < 500ms);
  REQUIRE_FALSE(response);
  CHECK(response.error().code == ErrorCode::kCancelled);
  stop = std::stop_source();
  Lines lines;
  const auto stream = rig.stream(lines, 60s, stop.get_token());
  CHECK(rig.client.clock.steady_now() - stopped.load() < 500ms);
  REQUIRE_FALSE(stream);
  CHECK(stream.error().code == ErrorCode::kCancelled);
}

TEMPLATE_LIST_TEST_CASE("a body beyond the limit is refused", "", EachTransport) {
  Rig<TestType> rig(
      [&](Connection& connection, int) {
        connection.read_request();
        connection.send(kChunked);
        while (connection.send(chunk(std::string(10000, 'x')))) {
        }
      },
      {.maximum_body = 100000});
  const auto response = rig.send(kGet);
  REQUIRE_FALSE(response);
  CHECK(response.error().code == ErrorCode::kTooLarge);
}

TEMPLATE_LIST_TEST_CASE("requests at once are limited; more wait within their deadline", "", EachTransport) {
  std::atomic<bool> go_on{false};
  Rig<TestType> rig(
      [&](Connection& connection, int) {
        while (!connection.read_request().empty()) {
          while (!go_on) std::this_thread::sleep_for(1ms);
          connection.send(answer("{}"));
        }
      },
      {.maximum_requests = 1});
  bool answered = false;
  std::thread first([&] { answered = rig.send(kGet).has_value(); });
  while (rig.server.connections() == 0) std::this_thread::sleep_for(1ms);
  CHECK(rig.send(kGet, 50ms).error().code == ErrorCode::kDeadlineExceeded);
  CHECK(rig.server.connections() == 1);
  go_on = true;
  CHECK(rig.send(kGet));
  first.join();
  CHECK(answered);
}

TEST_CASE("a server URL with a user is refused without a word of user and password, by each transport") {
  SystemClock clock;
  const TransportOptions options{.kind = GENERATE(TransportKind::kCpprest, TransportKind::kCurl)};
  ClientConfig config;
  config.server = GENERATE(as<std::string>(), "https://somebody:s3cret@host:6443", "https://somebody:s3cret@[::1]:6443",
                           "https://somebody:s3cret@host:99999", "ftp://somebody:s3cret@host", "somebody:s3cret@host",
                           "https://somebody:s3/cret@host", "https://somebody:s3 cret@host");
  INFO(config.server);
  const auto refused = make_transport(config, options, clock);
  REQUIRE_FALSE(refused);
  const std::string said = refused.error().describe();
  CHECK_THAT(said, Catch::Contains("host") || Catch::Contains("[::1]:6443"));
  CHECK_THAT(said, !Catch::Contains("s3") && !Catch::Contains("cret") && !Catch::Contains("somebody"));
}

TEST_CASE("a URL that is none and a broken CA are refused with a sentence, by each transport") {
  SystemClock clock;
  const TransportOptions options{.kind = GENERATE(TransportKind::kCpprest, TransportKind::kCurl)};
  ClientConfig config;
  config.server =
      GENERATE(as<std::string>(), "https://h ost", "https://", "ftp://host", "host", "https://host:99999", "");
  INFO(config.server);
  const auto no_url = make_transport(config, options, clock);
  REQUIRE_FALSE(no_url);
  CHECK(no_url.error().code == ErrorCode::kInvalidArgument);
  CHECK_THAT(no_url.error().message, Catch::Contains("is not a server URL"));
  config.server = "https://example";
  config.tls.ca_pem = "no PEM";
  const auto no_ca = make_transport(config, options, clock);
  REQUIRE_FALSE(no_ca);
  CHECK(no_ca.error().code == ErrorCode::kInvalidArgument);
}
