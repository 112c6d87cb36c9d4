#include "inference-server/protocol/cors.hpp"

#include <catch2/catch.hpp>
#include <map>

using namespace imageclassifier;
using namespace imageclassifier::protocol;
using Catch::Matchers::Contains;

namespace {

using Headers = std::multimap<std::string, std::string>;

HttpRequest request(const std::string& method, const std::string& origin, const std::string& asks_for = {}) {
  HttpRequest head{.method = method, .target = "/v1/classify", .path = "/v1/classify", .query = ""};
  if (!origin.empty()) head.headers.push_back({"Origin", origin});
  if (!asks_for.empty()) head.headers.push_back({"Access-Control-Request-Method", asks_for});
  return head;
}

Headers headers(const Cors& cors, const HttpRequest& head) {
  HttpResponse response;
  cors.add_headers(head, response);
  Headers found;
  for (const HttpHeader& header : response.headers) found.insert({header.name, header.value});
  return found;
}

Cors allowing(const std::vector<std::string>& origins) {
  auto made = Cors::make(origins);
  REQUIRE(made.has_value());
  return *made;
}

std::string value(const Headers& found, const std::string& name) {
  const auto at = found.find(name);
  return at == found.end() ? "" : at->second;
}

}  // namespace

TEST_CASE("by default nothing is said of origins and no preflight is known") {
  const Cors none;
  CHECK_FALSE(none.enabled());
  CHECK(headers(none, request("POST", "https://shop.example")).empty());
  CHECK_FALSE(none.is_preflight(request("OPTIONS", "https://shop.example", "POST")));
  CHECK(none.with_preflights({{"GET", "/a"}}).size() == 1);
}

TEST_CASE("pages of the listed origins may read answers, with credentials, and no others") {
  const Cors cors = allowing({"https://shop.example", "http://localhost:3000"});
  for (const char* origin : {"https://shop.example", "http://localhost:3000"}) {
    const Headers found = headers(cors, request("POST", origin));
    CHECK(value(found, "Access-Control-Allow-Origin") == origin);
    CHECK(value(found, "Access-Control-Allow-Credentials") == "true");
    CHECK(value(found, "Vary") == "Origin");
    CHECK_THAT(value(found, "Access-Control-Expose-Headers"), Contains("X-Request-Id") && Contains("Retry-After"));
  }
  for (const char* origin : {"", "https://shop.example.evil.example", "http://shop.example",
                             "https://shop.example:8443", "null", "https://SHOP.example"}) {
    INFO(origin);
    CHECK(headers(cors, request("POST", origin)) == Headers{{"Vary", "Origin"}});
    CHECK(headers(cors, request("OPTIONS", origin, "POST")) == Headers{{"Vary", "Origin"}});
  }
}

TEST_CASE("with * every page may read answers, without the browser's credentials") {
  const Headers found = headers(allowing({"*"}), request("GET", "https://anywhere.example"));
  CHECK(value(found, "Access-Control-Allow-Origin") == "*");
  CHECK(found.count("Access-Control-Allow-Credentials") == 0);
  CHECK(found.count("Vary") == 0);
}

TEST_CASE("a preflight is told what may be sent") {
  const Cors cors = allowing({"https://shop.example"});
  const HttpRequest preflight = request("OPTIONS", "https://shop.example", "POST");
  CHECK(cors.is_preflight(preflight));
  CHECK_FALSE(cors.is_preflight(request("OPTIONS", "https://shop.example")));
  CHECK_FALSE(cors.is_preflight(request("POST", "https://shop.example", "POST")));
  const Headers found = headers(cors, preflight);
  CHECK_THAT(value(found, "Access-Control-Allow-Methods"), Contains("POST"));
  CHECK_THAT(value(found, "Access-Control-Allow-Headers"), Contains("Authorization") && Contains("Content-Type"));
  CHECK(value(found, "Access-Control-Max-Age") == "7200");
}

TEST_CASE("every path takes preflights once, and keeps an OPTIONS of its own") {
  const Cors cors = allowing({"*"});
  const auto routes =
      cors.with_preflights({{"GET", "/a"}, {"POST", "/a"}, {"GET", "/b"}, {"OPTIONS", "/b"}, {"POST", "/c/{x}"}});
  std::multimap<std::string, std::string> options;
  for (const HttpRoute& route : routes) {
    if (route.method == "OPTIONS") options.insert({route.path, route.method});
  }
  CHECK(routes.size() == 7);
  CHECK(options == Headers{{"/a", "OPTIONS"}, {"/b", "OPTIONS"}, {"/c/{x}", "OPTIONS"}});
}

TEST_CASE("what no browser sends as an origin is refused") {
  for (const char* wrong :
       {"", "shop.example", "https://", "https://shop.example/", "https://shop.example/page", "https://Shop.example",
        "https://*.example", "null", "https://a b", "https://u@shop.example", "https://shop.example?x"}) {
    INFO(wrong);
    CHECK_FALSE(Cors::make({wrong}).has_value());
  }
  CHECK_FALSE(Cors::make({"*", "https://shop.example"}).has_value());
  CHECK(Cors::make({"https://[::1]:8443"}).has_value());
}
