#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "inference-server/image/jpeg_encoder.hpp"
#include "tests/inference-server/protocol/protocol_fixture.hpp"
#include "tests/inference-server/support/pictures.hpp"

using namespace imageclassifier;
using namespace imageclassifier::test;
using Catch::Matchers::Contains;
using Json = nlohmann::json;

namespace {

const std::string kPicture = "exif-3.jpg";

Json json_of(const std::string& response) {
  return Json::parse(body_of(response));
}

void check_problem(const std::string& response, int status, const std::string& code) {
  INFO(response);
  CHECK(status_of(response) == status);
  CHECK_THAT(response, Contains("Content-Type: application/problem+json\r\n"));
  const Json json = json_of(response);
  CHECK(json["status"] == status);
  CHECK(json["code"] == code);
  CHECK(json["type"] == "about:blank");
  CHECK_FALSE(json["title"].get<std::string>().empty());
  CHECK_FALSE(json["detail"].get<std::string>().empty());
  CHECK_THAT(response, Contains("X-Request-Id: " + json["request_id"].get<std::string>() + "\r\n"));
}

}  // namespace

TEST_CASE_METHOD(ProtocolFixture, "a raw body of any other type is one picture") {
  for (const char* type : {"", "Content-Type: image/jpeg\r\n", "Content-Type: application/x-www-form-urlencoded\r\n"}) {
    const std::string response = post(read_picture(kPicture), "", type);
    REQUIRE(status_of(response) == 200);
    CHECK_THAT(response, Contains("Content-Type: application/json\r\n"));
    const Json json = json_of(response);
    REQUIRE(json["results"].size() == 1);
    const Json& result = json["results"][0];
    CHECK_FALSE(result.contains("file"));
    REQUIRE(result["predictions"].size() == 2);
    const Json& best = result["predictions"][0];
    CHECK(best["probability"].get<double>() >= 0.5);
    CHECK(best.contains("probability_raw"));
    CHECK(best["label"] == (best["index"] == 0 ? "dark <b>" : "bright"));
    CHECK(result["image"]["format"] == "jpeg");
    CHECK(result["image"]["orientation_applied"] == true);
    CHECK(result["timing_ms"].contains("compute"));
    CHECK(json["model"]["name"] == "brightness");
    CHECK(json["model"]["weights_sha256"] == std::string(64, 'a'));
    CHECK(json["request_id"].get<std::string>().size() == 32);
  }
}

TEST_CASE_METHOD(ProtocolFixture,
                 "k is a whole number from 1 to 100, cut at the class count; unknown names are ignored") {
  const std::string picture = read_picture(kPicture);
  for (const char* one : {"?k=1", "?k=%31"}) {
    CHECK(json_of(post(picture, one))["results"][0]["predictions"].size() == 1);
  }
  CHECK(json_of(post(picture, "?x=1&k=100"))["results"][0]["predictions"].size() == 2);
  for (const char* query : {"?k=0", "?k=101", "?k=", "?k", "?k=1.5", "?k=-1", "?k=99999999999999999999", "?k=%3",
                            "?k=%30", "?decode=", "?decode=FAST", "?exif=no", "?alpha", "?k=1&alpha=black"}) {
    check_problem(post(picture, query), 400, "bad_parameter");
  }
}

TEST_CASE_METHOD(ProtocolFixture,
                 "a parameter that is given twice is refused by its name, one that nobody knows is not") {
  const std::string picture = read_picture(kPicture);
  const std::vector<std::pair<std::string, std::string>> parameters = {
      {"k", "1"}, {"decode", "fast"}, {"exif", "apply"}, {"alpha", "white"}, {"labels", "name"}};
  for (const auto& [name, value] : parameters) {
    const std::string given = name + "=" + value;
    CHECK(status_of(post(picture, "?" + given)) == 200);
    const std::string response = post(picture, "?" + given + "&x=1&" + given);
    check_problem(response, 400, "bad_parameter");
    CHECK(json_of(response)["detail"] == name + " is given more than once.");
  }
  CHECK(status_of(post(picture, "?x=1&x=2&K=1&k=1")) == 200);
}

TEST_CASE_METHOD(ProtocolFixture, "an animation is its first frame, up to 1,000 frames") {
  const std::string response = post(gif_of_frames(1'000));
  REQUIRE(status_of(response) == 200);
  CHECK(json_of(response)["results"][0]["image"]["format"] == "gif");
  CHECK(json_of(response)["results"][0]["image"]["frames"] == 1'000);
  check_problem(post(gif_of_frames(1'001)), 413, "too_many_frames");
}

TEST_CASE_METHOD(ProtocolFixture, "the query says how a picture is read; each default can be named") {
  const auto result = [&](const std::string& picture, const std::string& query) {
    const std::string response = post(picture, query);
    REQUIRE(status_of(response) == 200);
    return json_of(response)["results"][0];
  };
  const std::string turned = read_picture("exif-6.jpg");
  CHECK(result(turned, "?exif=apply")["image"] == result(turned, "")["image"]);
  CHECK(result(turned, "?exif=ignore")["image"]["orientation_applied"] == false);
  CHECK(result(turned, "?exif=ignore")["image"]["width"] == result(turned, "")["image"]["height"]);

  const std::string clear = read_picture("rgba.png");
  CHECK(result(clear, "?alpha=white")["predictions"] == result(clear, "")["predictions"]);
  CHECK(result(clear, "?alpha=drop")["predictions"] != result(clear, "")["predictions"]);
  CHECK(result(clear, "?alpha=drop")["image"]["alpha"] == true);

  const auto bytes = image::encode_jpeg(photo(700, 640, 1), 88);
  const std::string large(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  CHECK(result(large, "?decode=fast")["predictions"] == result(large, "")["predictions"]);
  CHECK(result(large, "?decode=exact")["predictions"] != result(large, "")["predictions"]);
  CHECK(result(large, "")["image"]["width"] == 700);
}

TEST_CASE_METHOD(ProtocolFixture, "a decode that outlasts the time limit is ended, not waited for") {
  const auto bytes = image::encode_jpeg({4000, 3000, std::vector<std::uint8_t>(std::size_t{4000} * 3000 * 3)}, 88);
  const std::string large(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::string response = post(large, "?decode=exact", "X-Request-Timeout-Ms: 1\r\n");
  check_problem(response, 429, "deadline");
  CHECK(response.find("Retry-After: 1") != std::string::npos);
  const std::string two = form_part("image", "a", large) + form_part("image", "b", large) + "--XX--";
  const std::string form = post(two, "?decode=exact", kFormHeader + std::string("X-Request-Timeout-Ms: 1\r\n"));
  check_problem(form, 429, "deadline");
  CHECK_THAT(form, Contains("Retry-After: "));
  CHECK(status_of(post(large, "?decode=exact")) == 200);
}

TEST_CASE_METHOD(ProtocolFixture, "several pictures keep their order and failures stand in place") {
  const std::string body = form_part("image", "C:\\photos\\a.jpg", read_picture(kPicture)) +
                           form_part("other", "x", "ignored") + form_part("image", "../b.pdf", "%PDF-1.7") +
                           form_part("image", "c.jpg", read_picture(kPicture).substr(0, 200)) + "--XX--\r\n";
  const std::string response = post(body, "", kFormHeader);
  REQUIRE(status_of(response) == 200);
  const Json results = json_of(response)["results"];
  REQUIRE(results.size() == 3);
  CHECK(results[0]["file"] == "a.jpg");
  CHECK(results[0]["predictions"].size() == 2);
  CHECK(results[1]["file"] == "b.pdf");
  CHECK(results[1]["error"]["code"] == "unsupported_media_type");
  CHECK(results[1]["error"]["status"] == 415);
  CHECK(results[2]["error"]["code"] == "truncated_image");
}

TEST_CASE_METHOD(ProtocolFixture, "predictions are called by name, WordNet id or neither, as the query says") {
  const std::string picture = read_picture(kPicture);
  for (const auto& [query, label, wnid] :
       std::vector<std::tuple<std::string, bool, bool>>{{"", true, true},
                                                        {"?labels=name", true, true},
                                                        {"?labels=wnid", false, true},
                                                        {"?labels=none", false, false}}) {
    INFO(query);
    const Json answer = json_of(post(picture, query));
    for (const Json& prediction : answer["results"][0]["predictions"]) {
      CHECK(prediction.contains("label") == label);
      CHECK(prediction.contains("wnid") == wnid);
      if (wnid) CHECK(prediction["wnid"] == (prediction["index"] == 0 ? "n00000000" : "n00000001"));
    }
  }
  check_problem(post(picture, "?labels=all"), 400, "bad_parameter");
}

namespace {

std::shared_ptr<protocol::Classifier> with_labels(ProtocolFixture& fixture, std::vector<std::string> labels) {
  auto model = std::make_unique<BrightnessModel>();
  model->manifest_.labels = std::move(labels);
  model->manifest_.wnids.clear();
  return std::make_shared<protocol::Classifier>(protocol::ClassifierOptions{}, std::move(model), fixture.clock,
                                                fixture.metrics);
}

}  // namespace

TEST_CASE("names that repeat are two classes, and where there are no WordNet ids the name stands in for them") {
  ProtocolFixture fixture(false);
  fixture.state.ready(with_labels(fixture, {"crane", "crane"}));
  const Json answer = Json::parse(body_of(fixture.post(read_picture("exif-3.jpg"), "?labels=wnid")));
  const Json& predictions = answer["results"][0]["predictions"];
  REQUIRE(predictions.size() == 2);
  std::set<int> indices;
  for (const Json& prediction : predictions) {
    CHECK(prediction["label"] == "crane");
    CHECK_FALSE(prediction.contains("wnid"));
    indices.insert(prediction["index"].get<int>());
  }
  CHECK(indices == std::set<int>{0, 1});
}

TEST_CASE("a model with another number of outputs than labels does not warm up") {
  ProtocolFixture fixture(false);
  const auto warm = with_labels(fixture, {"one", "two", "three"})->warm_up();
  REQUIRE_FALSE(warm);
  CHECK(warm.error().code == ErrorCode::kInvalidArgument);
  CHECK_THAT(warm.error().message, Catch::Contains("2 outputs but 3 labels"));
}

TEST_CASE_METHOD(ProtocolFixture, "a single picture that fails gives its own status") {
  const std::string picture = read_picture(kPicture);
  check_problem(post("%PDF-1.7"), 415, "unsupported_media_type");
  check_problem(post(picture.substr(0, picture.size() / 2)), 422, "truncated_image");
  check_problem(post(form_part("image", "a.jpg", "%PDF") + "--XX--", "", kFormHeader), 415, "unsupported_media_type");
  check_problem(post(form_part("image", "a.jpg", "") + "--XX--", "", kFormHeader), 400, "empty_body");
}

TEST_CASE_METHOD(ProtocolFixture, "empty, malformed and overfull uploads have their own codes") {
  check_problem(post(""), 400, "empty_body");
  check_problem(post("--XX--\r\n", "", kFormHeader), 400, "no_image_part");
  check_problem(post(form_part("image", "", "") + "--XX--", "", kFormHeader), 400, "no_image_part");
  check_problem(post("nonsense", "", kFormHeader), 400, "bad_multipart");
  check_problem(post("x", "", "Content-Type: multipart/form-data\r\n"), 400, "bad_multipart");
  check_problem(post("x", "", "Content-Encoding: br\r\n"), 415, "unsupported_encoding");
  std::string many;
  for (int i = 0; i < 33; ++i) many += form_part("image", "a", "x");
  check_problem(post(many + "--XX--", "", kFormHeader), 413, "too_many_images");
  std::string parts;
  for (int i = 0; i < 257; ++i) parts += form_part("x", "a", "x");
  check_problem(post(parts + "--XX--", "", kFormHeader), 400, "too_many_parts");
}

TEST_CASE("an upload over the limit is 413 in words") {
  ProtocolFixture fixture(true, {.top_k = 5, .max_upload_bytes = 1000});
  const std::string response = fixture.post(std::string(1001, 'x'));
  check_problem(response, 413, "body_too_large");
  CHECK_THAT(response, Contains("1000 bytes"));
}

TEST_CASE("before the model is ready an upload is 503 with a time to come back") {
  ProtocolFixture fixture(false);
  const std::string response = fixture.post(read_picture(kPicture));
  check_problem(response, 503, "loading");
  CHECK_THAT(response, Contains("Retry-After: 1\r\n"));
}

TEST_CASE("a full queue is 429 with a time to come back, before anything is decoded") {
  std::promise<void> gate;
  ProtocolFixture fixture(true, {}, {.queue_depth = 2, .max_batch = 1});
  fixture.model->gate = gate.get_future().share();
  const std::string picture = read_picture(kPicture);
  std::string three;
  for (const char* name : {"a", "b", "c"}) three += form_part("image", name, picture);
  check_problem(fixture.post(three + "--XX--", "", kFormHeader), 413, "too_many_images");
  const int before = fixture.model->entered;
  std::vector<std::future<std::string>> running;
  for (std::size_t i = 0; i < 3; ++i) {
    running.push_back(std::async(std::launch::async, [&] { return fixture.post(picture); }));
    fixture.wait_for_queue(before + 1, i);
  }
  const std::string refused = fixture.post(picture.substr(0, picture.size() - 10));
  check_problem(refused, 429, "queue_full");
  // No place is needed for what is no picture, and coming back would not help it.
  check_problem(fixture.post("not even a picture"), 415, "unsupported_media_type");
  CHECK_THAT(refused, Contains("Retry-After: "));
  gate.set_value();
  for (auto& one : running) CHECK(status_of(one.get()) == 200);
}

TEST_CASE_METHOD(ProtocolFixture, "a client may shorten the time limit and nobody computes what is too late") {
  const std::string picture = read_picture(kPicture);
  std::promise<void> gate;
  model->gate = gate.get_future().share();
  const int before = model->entered;
  auto first = std::async(std::launch::async, [&] { return post(picture); });
  wait_for_queue(before + 1, 0);
  // Time enough to be decoded, since a decode ends at the limit too.
  auto late = std::async(std::launch::async, [&] { return post(picture, "", "X-Request-Timeout-Ms: 300\r\n"); });
  wait_for_queue(before + 1, 1);
  clock.sleep_for(std::chrono::milliseconds(301), {});
  gate.set_value();
  CHECK(status_of(first.get()) == 200);
  check_problem(late.get(), 429, "deadline");
  CHECK(model->entered == before + 1);
  CHECK_THAT(get("/metrics"), Contains("\ninference_queue_depth 0\n"));
  check_problem(post("x", "", "X-Request-Timeout-Ms: 0\r\n"), 400, "bad_parameter");
}

TEST_CASE_METHOD(ProtocolFixture, "a model that fails is 500 without its words") {
  model->broken = true;
  const std::string response = post(read_picture(kPicture));
  check_problem(response, 500, "internal");
  CHECK_THAT(response, !Contains("secret"));
}

TEST_CASE_METHOD(ProtocolFixture, "request ids are echoed when they are harmless and made otherwise") {
  CHECK_THAT(post("x", "", "X-Request-ID: abc-1.2_3\r\n"), Contains("X-Request-Id: abc-1.2_3\r\n"));
  CHECK_THAT(post("x", "", "X-Request-ID: a b\r\n"), !Contains("a b"));
  CHECK_THAT(get("/nothing", "X-Request-ID: here\r\n"), Contains("X-Request-Id: here\r\n"));
}

TEST_CASE_METHOD(ProtocolFixture, "refusals of the listener are problem+json too") {
  check_problem(get("/nothing"), 404, "not_found");
  const std::string wrong = get("/v1/classify");
  check_problem(wrong, 405, "method_not_allowed");
  CHECK_THAT(wrong, Contains("Allow: POST\r\n"));
  RawClient client(server->port());
  client.send("GET / HTTP/1.1\r\n\r\n");
  check_problem(client.read_to_end(), 400, "bad_request");
}

TEST_CASE_METHOD(ProtocolFixture, "a browser's form post gets a page, names as text, errors with the same status") {
  const std::string headers = std::string(kFormHeader) + "Accept: text/html,*/*;q=0.8\r\n";
  const std::string good = post(form_part("image", "<script>.jpg", read_picture(kPicture)) + "--XX--", "", headers);
  CHECK(status_of(good) == 200);
  CHECK_THAT(good, Contains("Content-Type: text/html; charset=utf-8\r\n"));
  CHECK_THAT(good, Contains("Content-Security-Policy: default-src 'none'"));
  CHECK_THAT(good, Contains("<meter ") && Contains("dark &lt;b&gt;") && Contains("&lt;script&gt;.jpg"));
  CHECK_THAT(good, Contains("Demo model"));
  const std::string bad = post(form_part("image", "a.pdf", "%PDF") + "--XX--", "", headers);
  CHECK(status_of(bad) == 415);
  CHECK_THAT(bad, Contains("<!doctype html>") && Contains("role=\"alert\""));
  ProtocolFixture small(true, {.top_k = 5, .max_upload_bytes = 10});
  CHECK_THAT(small.post(form_part("image", "a", "xxxxx"), "", headers),
             Contains("<!doctype html>") && Contains(" 413 "));
}
