#include "tests/inference-server/protocol/v2_fixture.hpp"

using namespace imageclassifier;
using namespace imageclassifier::test;

namespace {

const std::string kPath = "/predictions/brightness";

}  // namespace

TEST_CASE("ping is healthy with the model") {
  ProtocolFixture fixture(false);
  const std::string loading = fixture.get("/ping");
  CHECK(status_of(loading) == 503);
  CHECK(header_of(loading, "Retry-After") == "1");
  CHECK(json_of(loading) == Json({{"status", "Unhealthy"}}));
  fixture.state.ready(fixture.classifier);
  CHECK(status_of(fixture.get("/ping")) == 200);
  CHECK(json_of(fixture.get("/ping")) == Json({{"status", "Healthy"}}));
}

TEST_CASE_METHOD(ProtocolFixture, "a prediction is an object of labels, of a raw body or the form field data") {
  const std::string picture = read_picture("exif-3.jpg");
  Json expected = Json::object();
  const Json classified = json_of(post(picture));
  for (const Json& prediction : classified["results"][0]["predictions"]) {
    expected[prediction["label"].get<std::string>()] = prediction["probability"];
  }
  const std::string raw = request("POST", kPath, "", picture);
  CHECK(status_of(raw) == 200);
  CHECK(header_of(raw, "Content-Type") == "application/json");
  CHECK(json_of(raw) == expected);
  CHECK(json_of(request("POST", kPath + "/1", "", picture)) == expected);
  CHECK(json_of(request("PUT", kPath, "", picture)) == expected);
  CHECK(json_of(request("POST", kPath, kFormHeader, form_part("data", "a.jpg", picture) + "--XX--")) == expected);

  const std::string several = form_part("data", "a", picture) + form_part("data", "b", "%PDF") + "--XX--";
  const Json array = json_of(request("POST", kPath, kFormHeader, several));
  REQUIRE(array.size() == 2);
  CHECK(array[0] == expected);
  CHECK(array[1]["error"]["code"] == "unsupported_media_type");
}

TEST_CASE_METHOD(ProtocolFixture, "predictions that fail are problem+json") {
  const auto check = [](const std::string& response, int status, const std::string& code) {
    CHECK(status_of(response) == status);
    CHECK(header_of(response, "Content-Type") == "application/problem+json");
    CHECK(json_of(response)["code"] == code);
  };
  const std::string picture = read_picture("exif-3.jpg");
  check(request("POST", "/predictions/other", "", picture), 404, "not_found");
  check(request("POST", kPath + "/2", "", picture), 404, "not_found");
  check(request("POST", kPath, "", "%PDF"), 415, "unsupported_media_type");
  check(request("POST", kPath, kFormHeader, form_part("image", "a", picture) + "--XX--"), 400, "no_image_part");
  check(get(kPath), 405, "method_not_allowed");
}

TEST_CASE("labels that repeat get their index") {
  ProtocolFixture fixture(false);
  auto model = std::make_unique<BrightnessModel>();
  model->manifest_.labels = {"crane", "crane"};
  fixture.state.ready(std::make_shared<protocol::Classifier>(protocol::ClassifierOptions{}, std::move(model),
                                                             fixture.clock, fixture.metrics));
  const Json json = json_of(fixture.request("POST", kPath, "", read_picture("exif-3.jpg")));
  CHECK(json.size() == 2);
  CHECK(json.contains("crane (0)"));
  CHECK(json.contains("crane (1)"));
}
