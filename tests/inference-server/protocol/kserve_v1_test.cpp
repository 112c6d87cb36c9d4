#include "tests/inference-server/protocol/v2_fixture.hpp"

using namespace imageclassifier;
using namespace imageclassifier::test;
using Catch::Matchers::Contains;

namespace {

const std::string kPredict = "/v1/models/brightness:predict";

std::string picture_in_base64() {
  return base64(read_picture("exif-3.jpg"));
}

Json instances(const std::vector<Json>& all) {
  return {{"instances", all}};
}

}  // namespace

TEST_CASE_METHOD(ProtocolFixture, "KServe's version 1 predicts pictures in base64, in each form that its users know") {
  Json expected = Json::object();
  const Json classified = json_of(post(read_picture("exif-3.jpg")));
  for (const Json& prediction : classified["results"][0]["predictions"]) {
    expected[prediction["label"].get<std::string>()] = prediction["probability"];
  }
  const std::string text = picture_in_base64();
  const Json body = instances({{{"image_bytes", {{"b64", text}}}}, {{"b64", text}}, {{"data", text}, {"target", 0}}});
  const std::string response = request("POST", kPredict, "", body.dump());
  CHECK(status_of(response) == 200);
  CHECK(header_of(response, "Content-Type") == "application/json");
  CHECK(json_of(response) == Json({{"predictions", {expected, expected, expected}}}));
  CHECK(json_of(request("POST", kPredict + "?k=1", "", body.dump()))["predictions"][0].size() == 1);
  CHECK(status_of(request("POST", "/v1/models/brightness%3Apredict", "", body.dump())) == 405);
}

TEST_CASE_METHOD(ProtocolFixture, "the model of KServe's version 1 is listed and is ready") {
  CHECK(json_of(get("/v1/models")) == Json({{"models", {"brightness"}}}));
  const std::string ready = get("/v1/models/brightness");
  CHECK(status_of(ready) == 200);
  CHECK(json_of(ready) == Json({{"name", "brightness"}, {"ready", true}}));
  CHECK(status_of(get("/v1/models/nobody")) == 404);
  state.draining();
  const std::string draining = get("/v1/models/brightness");
  CHECK(status_of(draining) == 503);
  CHECK(header_of(draining, "Retry-After") == "1");
  CHECK(json_of(draining)["ready"] == false);
}

TEST_CASE("before the model is there, KServe's version 1 says when to come back") {
  const ProtocolFixture loading(false);
  CHECK(json_of(loading.get("/v1/models")) == Json({{"models", Json::array()}}));
  for (const std::string& response :
       {loading.get("/v1/models/brightness"), loading.request("POST", kPredict, "", "{}")}) {
    CHECK(status_of(response) == 503);
    CHECK(header_of(response, "Retry-After") == "1");
    CHECK(json_of(response)["code"] == "loading");
  }
}

TEST_CASE_METHOD(ProtocolFixture,
                 "predictions of KServe's version 1 that fail are problem+json and say which instance") {
  const std::string good = picture_in_base64();
  const auto check = [this](const std::string& body, int status, const std::string& code, const std::string& detail,
                            const std::string& path = kPredict) {
    const std::string response = request("POST", path, "", body);
    INFO(response);
    CHECK(status_of(response) == status);
    CHECK(header_of(response, "Content-Type") == "application/problem+json");
    CHECK(json_of(response)["code"] == code);
    CHECK_THAT(json_of(response)["detail"].get<std::string>(), Contains(detail));
  };
  for (const char* wrong :
       {"", "[]", "{}", "{\"instances\": []}", "{\"instances\": {\"b64\": \"\"}}", "{\"instances\": "}) {
    check(wrong, 400, "bad_request", "");
  }
  check(R"({"instances": [7]})", 400, "bad_request", "Instance 1 has no picture");
  check(R"({"instances": [{"image": "a"}]})", 400, "bad_request", "Instance 1 has no picture");
  check(instances({{{"b64", good}}, {{"b64", "a-b_"}}}).dump(), 400, "bad_request", "Instance 2 is not in base64");
  check(instances({{{"b64", good}}, {{"b64", base64("%PDF-1.4")}}}).dump(), 415, "unsupported_media_type",
        "Instance 2: ");
  check(instances(std::vector<Json>(33, Json{{"b64", good}})).dump(), 413, "too_many_images", "32");
  check(instances({{{"b64", good}}}).dump(), 404, "not_found", "brightness", "/v1/models/nobody:predict");
  check(instances({{{"b64", good}}}).dump(), 400, "bad_parameter", "k must", kPredict + "?k=0");
}
