#include <nlohmann/json.hpp>

#include "tests/inference-server/protocol/protocol_fixture.hpp"

using namespace imageclassifier;
using namespace imageclassifier::test;
using Catch::Matchers::Contains;
using Json = nlohmann::json;

TEST_CASE("readiness follows the stages and names the model") {
  ProtocolFixture fixture(false);
  const auto readyz = [&fixture] { return fixture.get("/readyz"); };
  std::string response = readyz();
  CHECK(status_of(response) == 503);
  CHECK_THAT(response, Contains("Retry-After: 1\r\n") && Contains("Content-Type: application/json\r\n"));
  Json loading = Json::parse(body_of(response));
  loading.erase("start");
  CHECK(loading == Json({{"ready", false}, {"stage", "loading"}, {"model", nullptr}}));

  model::ModelInfo info = fixture.classifier->info();
  info.precision_note = "int8 is not used: damaged";
  fixture.state.warming_up(info);
  response = readyz();
  CHECK(status_of(response) == 503);
  CHECK(Json::parse(body_of(response))["stage"] == "warming_up");
  CHECK(Json::parse(body_of(response))["model"]["precision_note"] == info.precision_note);

  fixture.state.ready(fixture.classifier);
  response = readyz();
  CHECK(status_of(response) == 200);
  const Json ready = Json::parse(body_of(response));
  CHECK(ready["ready"] == true);
  CHECK(ready["stage"] == "ready");
  CHECK(ready["model"]["architecture"] == "resnet18");
  CHECK(ready["model"]["weights_sha256"] == std::string(64, 'a'));
  CHECK_FALSE(ready["model"].contains("precision_note"));

  fixture.state.draining();
  response = readyz();
  CHECK(status_of(response) == 503);
  CHECK(Json::parse(body_of(response))["stage"] == "draining");
  // Requests are still served.
  CHECK(status_of(fixture.post(read_picture("exif-3.jpg"))) == 200);
}

TEST_CASE("readiness tells the stages of the start, what goes on without its time") {
  ProtocolFixture fixture(false);
  const auto start = [&fixture] { return Json::parse(body_of(fixture.get("/readyz")))["start"]; };
  CHECK(start()["stages"].empty());
  {
    const auto running = fixture.stages.begin("map_file");
    const Json now = start();
    CHECK(now["stages"][0]["stage"] == "map_file");
    CHECK(now["stages"][0]["seconds"].is_null());
    CHECK(now["seconds"] > 0);
  }
  CHECK(start()["stages"][0]["seconds"] >= 0);
  REQUIRE(fixture.classifier->warm_up(&fixture.stages));
  fixture.state.answering(fixture.classifier);
  CHECK(status_of(fixture.get("/readyz")) == 503);
  CHECK(status_of(fixture.post(read_picture("exif-3.jpg"))) == 200);
  REQUIRE(fixture.classifier->warm_up_batches(&fixture.stages));
  fixture.state.ready(fixture.classifier);
  std::vector<std::string> names;
  const Json ready = start();
  for (const Json& stage : ready["stages"]) names.push_back(stage["stage"]);
  CHECK(names == std::vector<std::string>{"map_file", "warm_up_1", "warm_up_2", "warm_up_4", "warm_up_8"});
  const Json& last = ready["stages"].back();
  CHECK(ready["seconds"].get<double>() == Approx(last["begin"].get<double>() + last["seconds"].get<double>()));
  CHECK(fixture.model->entered == 5);
}

TEST_CASE("the server lives from the first moment on") {
  CHECK(status_of(ProtocolFixture(false).get("/healthz")) == 200);
}

TEST_CASE_METHOD(ProtocolFixture, "every series of the metrics exists at zero") {
  const std::string text = body_of(get("/metrics"));
  for (const char* series : {"inference_requests_total{code=\"200\",route=\"/v1/classify\"} 0",
                             "inference_requests_total{code=\"429\",route=\"/v1/classify\"} 0",
                             "inference_request_duration_seconds_count{route=\"/v1/classify\"} 0",
                             "inference_stage_duration_seconds_count{stage=\"read\"} 0",
                             "inference_stage_duration_seconds_count{stage=\"encode\"} 0",
                             "inference_batch_size_count 0", "inference_image_pixels_count 0",
                             "inference_queue_depth 0", "inference_rejected_total{reason=\"queue_full\"} 0",
                             "inference_rejected_total{reason=\"loading\"} 0", "process_resident_memory_bytes"}) {
    CHECK_THAT(text, Contains(series));
  }
}

TEST_CASE_METHOD(ProtocolFixture, "a classified picture and a refused one are counted") {
  post(read_picture("exif-3.jpg"));
  post("%PDF");
  const std::string text = body_of(get("/metrics"));
  CHECK_THAT(text, Contains("inference_batch_size_count 1"));
  CHECK_THAT(text, Contains("inference_stage_duration_seconds_count{stage=\"decode\"} 1"));
  CHECK_THAT(text, Contains("inference_rejected_total{reason=\"bad_image\"} 1"));
}

TEST_CASE("warming up runs the model without counting batches") {
  ProtocolFixture fixture(false);
  CHECK(fixture.classifier->warm_up().has_value());
  CHECK(fixture.classifier->warm_up_batches().has_value());
  CHECK_THAT(body_of(fixture.get("/metrics")), Contains("inference_batch_size_count 0"));
  fixture.model->broken = true;
  CHECK_FALSE(fixture.classifier->warm_up().has_value());
}
