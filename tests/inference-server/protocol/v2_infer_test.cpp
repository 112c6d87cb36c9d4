#include "tests/inference-server/protocol/v2_fixture.hpp"

using namespace imageclassifier;
using namespace imageclassifier::test;
using Catch::Matchers::Contains;

namespace {

const std::string kPicture = "exif-3.jpg";

std::vector<float> network_input(const std::string& picture) {
  auto made = preprocess::preprocess_file(std::as_bytes(std::span(picture)), {});
  REQUIRE(made.has_value());
  return made->input.values;
}

Json tensor_request(const Json& data) {
  return {{"inputs", {{{"name", "input"}, {"datatype", "FP32"}, {"shape", {1, 3, 224, 224}}, {"data", data}}}}};
}

Json output_of(const std::string& response, const std::string& name) {
  INFO(response.substr(0, 600));
  REQUIRE(status_of(response) == 200);
  const Json answer = json_of(response);
  for (const Json& output : answer["outputs"]) {
    if (output["name"] == name) return output;
  }
  FAIL("no output " << name);
  return {};
}

std::string bytes_of(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

std::string prefixed(const std::string& element) {
  const auto length = static_cast<std::uint32_t>(element.size());
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + element;
}

}  // namespace

TEST_CASE_METHOD(V2Fixture, "a picture in base64 has the probabilities of /v1/classify, under its id") {
  const std::string picture = read_picture(kPicture);
  Json request = image_request({picture});
  request["id"] = "my id";
  const std::string response = infer(request);
  REQUIRE(status_of(response) == 200);
  CHECK(header_of(response, "Content-Type") == "application/json");
  const Json answer = json_of(response);
  CHECK(answer["model_name"] == "brightness");
  CHECK(answer["model_version"] == "1");
  CHECK(answer["id"] == "my id");
  const Json probabilities = output_of(response, "probabilities");
  CHECK(probabilities["datatype"] == "FP32");
  CHECK(probabilities["shape"] == Json({1, 2}));
  const Json classified = json_of(post(picture));
  for (const Json& prediction : classified["results"][0]["predictions"]) {
    CHECK(probabilities["data"][prediction["index"].get<std::size_t>()].get<double>() ==
          Approx(prediction["probability"].get<double>()));
  }
  CHECK_FALSE(json_of(infer(image_request({picture}))).contains("id"));
}

TEST_CASE_METHOD(V2Fixture, "picture and tensor, JSON and binary, nested and flat: the same logits to the bit") {
  const std::string picture = read_picture(kPicture);
  const std::vector<float> values = network_input(picture);
  const Json expected = output_of(infer(image_request({picture})), "logits")["data"];
  REQUIRE(expected.size() == 2);

  CHECK(output_of(infer(tensor_request(values)), "logits")["data"] == expected);
  Json nested = Json::array({Json::array()});
  for (std::size_t channel = 0; channel < 3; ++channel) {
    Json plane = Json::array();
    for (std::size_t row = 0; row < 224; ++row) {
      const auto begin = values.begin() + static_cast<std::ptrdiff_t>((channel * 224 + row) * 224);
      plane.push_back(std::vector<float>(begin, begin + 224));
    }
    nested[0].push_back(std::move(plane));
  }
  CHECK(output_of(infer(tensor_request(nested)), "logits")["data"] == expected);

  Json binary = tensor_request(nullptr);
  binary["inputs"][0].erase("data");
  binary["inputs"][0]["parameters"] = {{"binary_data_size", values.size() * sizeof(float)}};
  CHECK(output_of(infer(binary, bytes_of(values)), "logits")["data"] == expected);

  Json pictures = image_request({picture});
  pictures["inputs"][0].erase("data");
  pictures["inputs"][0]["parameters"] = {{"binary_data_size", picture.size() + 4}};
  CHECK(output_of(infer(pictures, prefixed(picture)), "logits")["data"] == expected);
}

TEST_CASE_METHOD(V2Fixture, "outputs come as bytes behind the JSON when they are wanted so") {
  const std::string picture = read_picture(kPicture);
  const auto logits = output_of(infer(image_request({picture})), "logits")["data"].get<std::vector<float>>();
  Json request = image_request({picture, picture});
  request["parameters"] = {{"binary_data_output", true}};
  request["outputs"] = {{{"name", "probabilities"}, {"parameters", {{"binary_data", false}}}}, {{"name", "logits"}}};
  const std::string response = infer(request);
  REQUIRE(status_of(response) == 200);
  CHECK(header_of(response, "Content-Type") == "application/octet-stream");
  const std::string body = body_of(response);
  const auto size = static_cast<std::size_t>(std::stoul(header_of(response, "Inference-Header-Content-Length")));
  const Json answer = Json::parse(body.substr(0, size));
  REQUIRE(answer["outputs"].size() == 2);
  CHECK(answer["outputs"][0]["data"].size() == 4);
  CHECK(answer["outputs"][1]["parameters"]["binary_data_size"] == 16);
  CHECK_FALSE(answer["outputs"][1].contains("data"));
  CHECK(body.substr(size) == bytes_of(logits) + bytes_of(logits));
}

TEST_CASE_METHOD(V2Fixture, "classification gives the best classes with value, index and label") {
  const std::string picture = read_picture(kPicture);
  const auto best = json_of(post(picture))["results"][0]["predictions"];
  Json request = image_request({picture});
  request["outputs"] = {{{"name", "probabilities"}, {"parameters", {{"classification", 9}}}},
                        {{"name", "logits"}, {"parameters", {{"classification", 1}}}}};
  const std::string response = infer(request);
  const Json output = output_of(response, "probabilities");
  CHECK(output["datatype"] == "BYTES");
  CHECK(output["shape"] == Json({1, 2}));
  for (std::size_t i = 0; i < 2; ++i) {
    char expected[100];
    std::snprintf(expected, sizeof expected, "%.6f:%d:%s", best[i]["probability"].get<double>(),
                  best[i]["index"].get<int>(), best[i]["label"].get<std::string>().c_str());
    CHECK(output["data"][i] == expected);
  }
  CHECK(output_of(response, "logits")["data"].size() == 1);

  request["parameters"] = {{"binary_data_output", true}};
  request["outputs"].erase(1);
  const std::string body = body_of(infer(request));
  CHECK_THAT(body, Catch::EndsWith(prefixed(output["data"][0]) + prefixed(output["data"][1])));
}

TEST_CASE_METHOD(V2Fixture, "the first picture that cannot be read fails the request with its place and status") {
  const std::string good = read_picture(kPicture);
  const std::string response = infer(image_request({good, "%PDF-1.7", good.substr(0, 300)}));
  check_v2_error(response, 415);
  CHECK_THAT(json_of(response)["error"].get<std::string>(), Catch::StartsWith("Picture 2: "));
  check_v2_error(infer(image_request({good.substr(0, good.size() / 2)})), 422);
}

TEST_CASE_METHOD(V2Fixture, "what is wrong with a request is said in one sentence") {
  const Json good = image_request({read_picture(kPicture)});
  const auto changed = [this, &good](const char* pointer, const Json& value) {
    Json json = good;
    json[Json::json_pointer(pointer)] = value;
    return infer(json);
  };
  REQUIRE(status_of(infer(good)) == 200);
  check_v2_error(infer(std::string()), 400);
  check_v2_error(infer(std::string("{")), 400);
  check_v2_error(infer(std::string("[]")), 400);
  check_v2_error(infer(Json({{"inputs", Json::array()}})), 400);
  check_v2_error(changed("/inputs/1", good["inputs"][0]), 400);
  check_v2_error(changed("/inputs/0/name", "pixels"), 400);
  check_v2_error(changed("/inputs/0/name", "input"), 400);
  check_v2_error(changed("/inputs/0/datatype", "UINT8"), 400);
  check_v2_error(changed("/inputs/0/shape", {2}), 400);
  check_v2_error(changed("/inputs/0/shape", {1, 1}), 400);
  check_v2_error(changed("/inputs/0/shape", {-1}), 400);
  check_v2_error(changed("/inputs/0/data", {"no base64"}), 400);
  check_v2_error(changed("/inputs/0/data", {1}), 400);
  check_v2_error(changed("/inputs/0/data", "text"), 400);
  check_v2_error(changed("/inputs/0/parameters", {{"binary_data_size", 0}}), 400);
  check_v2_error(changed("/id", 7), 400);
  check_v2_error(changed("/parameters", 7), 400);
  for (const auto& parameters : {Json({{"decode", "quick"}}), Json({{"exif", true}}), Json({{"timeout", -1}}),
                                 Json({{"priority", "high"}}), Json({{"binary_data_output", 1}})}) {
    check_v2_error(changed("/parameters", parameters), 400);
  }
  check_v2_error(changed("/outputs", {{{"name", "classes"}}}), 400);
  check_v2_error(changed("/outputs", {{{"name", "logits"}}, {{"name", "logits"}}}), 400);
  check_v2_error(changed("/outputs", {{{"name", "logits"}, {"parameters", {{"classification", 0}}}}}), 400);
  check_v2_error(infer(good.dump(), "Inference-Header-Content-Length: 9999999\r\n"), 400);
  check_v2_error(infer(good.dump(), "Inference-Header-Content-Length: x\r\n"), 400);
  check_v2_error(infer(good, "rest"), 400);
  check_v2_error(infer(good.dump(), "Content-Encoding: br\r\n"), 415);

  std::vector<float> values(std::size_t{3} * 224 * 224);
  CHECK(status_of(infer(tensor_request(values))) == 200);
  std::string endless = tensor_request(values).dump();
  endless.replace(endless.find("0.0"), 3, "1e300");
  check_v2_error(infer(endless), 400);
  values.pop_back();
  check_v2_error(infer(tensor_request(values)), 400);
  Json wrong = tensor_request(values);
  wrong["inputs"][0]["shape"] = {1, 224, 224, 3};
  check_v2_error(infer(wrong), 400);
  const std::string other = request("GET", "/v2/models/brightness/infer");
  check_v2_error(other, 405);
  CHECK(header_of(other, "Allow") == "POST");
}

TEST_CASE_METHOD(V2Fixture, "unknown members are ignored, and reading can be chosen as in /v1") {
  Json request = image_request({read_picture("rgba.png")});
  request["model_name"] = "brightness";
  request["parameters"] = {{"sequence_id", 5}, {"priority", 1}, {"timeout", 0}, {"decode", "exact"}};
  const Json white = output_of(infer(request), "logits")["data"];
  request["parameters"]["alpha"] = "drop";
  CHECK(output_of(infer(request), "logits")["data"] != white);
}

TEST_CASE_METHOD(V2Fixture, "timeout is in microseconds and only shortens") {
  Json request = image_request({read_picture(kPicture)});
  request["parameters"] = {{"timeout", 1}};
  const std::string late = infer(request);
  check_v2_error(late, 429);
  CHECK_FALSE(header_of(late, "Retry-After").empty());
  V2Fixture impatient(true, {.request_timeout = std::chrono::milliseconds(0)});
  request["parameters"]["timeout"] = 60'000'000;
  check_v2_error(impatient.infer(request), 429);
}

TEST_CASE_METHOD(V2Fixture, "the id finds the request in the log when the client sent no other") {
  Json request = image_request({read_picture(kPicture)});
  request["id"] = "order-66";
  CHECK(header_of(infer(request), "X-Request-Id") == "order-66");
  CHECK(header_of(infer(request.dump(), "X-Request-Id: mine\r\n"), "X-Request-Id") == "mine");
  request["id"] = "two words";
  CHECK(header_of(infer(request), "X-Request-Id").size() == 32);
}

TEST_CASE_METHOD(V2Fixture, "a model that fails is 500 without its words in V2 too") {
  model->broken = true;
  const std::string response = infer(image_request({read_picture(kPicture)}));
  check_v2_error(response, 500);
  CHECK_THAT(response, !Contains("secret"));
}
