#include <set>

#include "tests/inference-server/protocol/v2_fixture.hpp"

using namespace imageclassifier;
using namespace imageclassifier::test;
using Catch::Matchers::Contains;

namespace {

using Operations = std::set<std::pair<std::string, std::string>>;

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

Operations described(const Json& document) {
  Operations operations;
  for (const auto& [path, item] : document["paths"].items()) {
    for (const auto& [method, operation] : item.items()) {
      if (method != "parameters") operations.insert({path, method});
    }
  }
  return operations;
}

void check_references(const Json& document, const Json& value) {
  if (value.is_object() && value.contains("$ref")) {
    INFO(value["$ref"]);
    CHECK(document.contains(Json::json_pointer(value["$ref"].get<std::string>().substr(1))));
  }
  for (const Json& member : value) {
    if (member.is_structured()) check_references(document, member);
  }
}

}  // namespace

TEST_CASE_METHOD(ProtocolFixture,
                 "the description has every route and nothing else, and its references lead somewhere") {
  const std::string response = get("/openapi.json");
  CHECK(header_of(response, "Content-Type") == "application/json");
  const Json document = json_of(response);
  CHECK(document["openapi"] == "3.1.0");
  CHECK_THAT(document["info"]["version"].get<std::string>(), !Contains("{"));
  Operations served;
  for (const HttpRoute& route : protocol::make_routes(state, metrics, {})) {
    served.insert({route.path, lower(route.method)});
  }
  CHECK(described(document) == served);
  check_references(document, document);
  CHECK(json_of(request("OPTIONS", "/")) == document);
}

TEST_CASE_METHOD(ProtocolFixture, "the description has every code of a problem") {
  std::set<std::string> expected;
  for (int code = 0; code <= static_cast<int>(protocol::ProblemCode::kInternal); ++code) {
    expected.insert(protocol::name_of(static_cast<protocol::ProblemCode>(code)));
  }
  const Json codes = json_of(get("/openapi.json"))["components"]["schemas"]["Problem"]["properties"]["code"]["enum"];
  CHECK(codes.get<std::set<std::string>>() == expected);
}

TEST_CASE_METHOD(ProtocolFixture, "every route has its series from the start, and no other route has one") {
  const std::string text = metrics.text();
  for (const HttpRoute& route : protocol::make_routes(state, metrics, {})) {
    CHECK_THAT(text, Contains("inference_request_duration_seconds_count{route=\"" + route.path + "\"} 0\n"));
  }
  CHECK(status_of(get("/v2/models/brightness")) == 200);
  CHECK(status_of(get("/v2/models/nobody")) == 404);
  CHECK(status_of(get("/nowhere")) == 404);
  const std::string after = metrics.text();
  CHECK_THAT(after, Contains("inference_requests_total{code=\"404\",route=\"/v2/models/{model}\"} 1\n"));
  CHECK_THAT(after, Contains("inference_requests_total{code=\"404\",route=\"other\"} 1\n"));
  CHECK_THAT(after, !Contains("brightness\"} 1\n") && !Contains("nobody"));
}

TEST_CASE_METHOD(ProtocolFixture, "the page shows every operation, with nothing external and nothing inline") {
  const std::string page = get("/docs");
  CHECK(status_of(page) == 200);
  CHECK_THAT(page, Contains("Content-Security-Policy: default-src 'none'"));
  for (const auto& [path, method] : described(json_of(get("/openapi.json")))) {
    std::string upper = method;
    for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    CHECK_THAT(page, Contains("<code>" + upper + " " + path + "</code>"));
  }
  CHECK_THAT(page, !Contains("http://") && !Contains("https://") && !Contains("<script") && !Contains("style="));
}
