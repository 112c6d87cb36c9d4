#include "tests/inference-server/protocol/v2_fixture.hpp"

using namespace imageclassifier;
using namespace imageclassifier::test;

namespace {

const std::string kModel = "/v2/models/brightness";

}  // namespace

TEST_CASE("live at once, ready with the model") {
  V2Fixture fixture(false);
  CHECK(json_of(fixture.get("/v2/health/live")) == Json({{"live", true}}));
  const std::string loading = fixture.get("/v2/health/ready");
  CHECK(status_of(loading) == 503);
  CHECK(header_of(loading, "Retry-After") == "1");
  CHECK(json_of(loading)["ready"] == false);
  CHECK(json_of(loading)["live"] == true);
  CHECK(json_of(loading)["stage"] == "loading");
  CHECK(json_of(loading)["error"].is_string());
  for (const std::string& path : {kModel, kModel + "/ready", kModel + "/stats"}) {
    check_v2_error(fixture.get(path), 503);
  }
  check_v2_error(fixture.infer(image_request({"x"})), 503);

  fixture.state.ready(fixture.classifier);
  const std::string ready = fixture.get("/v2/health/ready");
  CHECK(status_of(ready) == 200);
  CHECK(json_of(ready) == Json({{"live", true}, {"ready", true}}));
  CHECK(json_of(fixture.get(kModel + "/ready")) == Json({{"name", "brightness"}, {"ready", true}}));

  fixture.state.draining();
  CHECK(status_of(fixture.get("/v2/health/ready")) == 503);
  CHECK(status_of(fixture.get(kModel + "/ready")) == 503);
  CHECK(status_of(fixture.get("/v2/health/live")) == 200);
  CHECK(status_of(fixture.infer(image_request({read_picture("exif-3.jpg")}))) == 200);
}

TEST_CASE_METHOD(V2Fixture, "server and model say what they are") {
  for (const char* path : {"/v2", "/v2/"}) {
    const Json about = json_of(get(path));
    CHECK(about["name"] == "imageclassifier");
    CHECK_FALSE(about["version"].get<std::string>().empty());
    CHECK(about["extensions"] == Json({"binary_tensor_data", "classification", "schedule_policy", "statistics"}));
  }
  for (const std::string& path : {kModel, kModel + "/versions/1"}) {
    const std::string response = get(path);
    CHECK(header_of(response, "Content-Type") == "application/json");
    const Json about = json_of(response);
    CHECK(about["name"] == "brightness");
    CHECK(about["versions"] == Json({"1"}));
    CHECK(about["platform"] == "onednn");
    CHECK(about["inputs"] == Json({{{"name", "image"}, {"datatype", "BYTES"}, {"shape", {-1}}},
                                   {{"name", "input"}, {"datatype", "FP32"}, {"shape", {-1, 3, 224, 224}}}}));
    CHECK(about["outputs"] == Json({{{"name", "logits"}, {"datatype", "FP32"}, {"shape", {-1, 2}}},
                                    {{"name", "probabilities"}, {"datatype", "FP32"}, {"shape", {-1, 2}}}}));
    CHECK(about["parameters"]["resize"] == 232);
    CHECK(about["parameters"]["precision"] == "float32");
  }
}

TEST_CASE_METHOD(V2Fixture, "with and without version; other models, versions and paths are 404") {
  const std::string body = image_request({read_picture("exif-3.jpg")}).dump();
  CHECK(status_of(request("POST", kModel + "/versions/1/infer", "", body)) == 200);
  CHECK(status_of(get(kModel + "/versions/1/ready")) == 200);
  for (const std::string path : {"/v2/models/other", "/v2/models/other/ready", "/v2/models/other/stats",
                                 "/v2/models/brightness/versions/2", "/v2/models/brightness/versions/2/ready",
                                 "/v2/nothing", "/v2/models/brightness/config", "/v2/repository/index"}) {
    check_v2_error(get(path), 404);
  }
  check_v2_error(request("POST", "/v2/models/other/infer", "", body), 404);
  check_v2_error(request("POST", kModel + "/versions/2/infer", "", body), 404);
}

TEST_CASE_METHOD(V2Fixture, "statistics count requests, pictures and batches, of every protocol") {
  const std::string picture = read_picture("exif-3.jpg");
  REQUIRE(status_of(infer(image_request({picture, picture, picture}))) == 200);
  REQUIRE(status_of(post(picture)) == 200);
  REQUIRE(status_of(post("%PDF")) == 415);
  REQUIRE(status_of(infer(Json::object())) == 400);
  for (const std::string& path : {std::string("/v2/models/stats"), kModel + "/stats", kModel + "/versions/1/stats"}) {
    const Json all = json_of(get(path))["model_stats"];
    REQUIRE(all.size() == 1);
    const Json& stats = all[0];
    CHECK(stats["name"] == "brightness");
    CHECK(stats["version"] == "1");
    CHECK(stats["last_inference"] > 1'700'000'000'000);
    CHECK(stats["inference_count"] == 4);
    const Json& times = stats["inference_stats"];
    CHECK(times["success"]["count"] == 2);
    CHECK(times["fail"]["count"] == 2);
    CHECK(times["queue"]["count"] == 4);
    CHECK(times["compute_input"]["count"] == 4);
    CHECK(times["compute_input"]["ns"] > 0);
    CHECK(times["compute_infer"]["count"] == 4);
    CHECK(times["success"]["ns"] > times["compute_output"]["ns"]);
    CHECK(times["cache_hit"] == Json({{"count", 0}, {"ns", 0}}));
    int batches = 0;
    int pictures = 0;
    for (const Json& batch : stats["batch_stats"]) {
      batches += batch["compute_infer"]["count"].get<int>();
      pictures += batch["compute_infer"]["count"].get<int>() * batch["batch_size"].get<int>();
    }
    CHECK(stats["execution_count"] == batches);
    CHECK(pictures == 4);
  }
}
