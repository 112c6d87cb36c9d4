#include "inference-server/web/page.hpp"
#include "inference-server/protocol/answer.hpp"
#include "tests/inference-server/protocol/v2_fixture.hpp"

using namespace imageclassifier;
using namespace imageclassifier::test;
using Catch::Matchers::Contains;

TEST_CASE("the page is small, needs nothing external and says demo model plainly") {
  ProtocolFixture fixture;
  const std::string page = fixture.get("/");
  const std::string css = fixture.get("/app.css");
  const std::string js = fixture.get("/app.js");
  CHECK(body_of(page).size() + body_of(css).size() + body_of(js).size() < 60'000);
  CHECK_THAT(page, Contains("Demo model") && Contains("enctype=\"multipart/form-data\"") && Contains("name=\"image\""));
  CHECK_THAT(page, Contains("default-src 'none'") && Contains("X-Content-Type-Options: nosniff"));
  CHECK_THAT(page, !Contains("{{") && !Contains("style=") && !Contains("onclick"));
  for (const std::string* file : {&page, &css, &js}) {
    CHECK_THAT(body_of(*file), !Contains("http:") && !Contains("https:"));
    // Relative links alone work behind a path prefix.
    CHECK_THAT(body_of(*file), !Contains("=\"/") && !Contains("fetch(\"/") && !Contains("`/"));
  }
}

TEST_CASE_METHOD(ProtocolFixture,
                 "files of the page are compressed where that is wanted, each coding with its own ETag") {
  for (const char* path : {"/", "/app.css", "/app.js"}) {
    INFO(path);
    const std::string plain = get(path);
    const std::string packed = get(path, "Accept-Encoding: gzip, br\r\n");
    CHECK(header_of(plain, "Content-Encoding").empty());
    CHECK(header_of(packed, "Content-Encoding") == "gzip");
    CHECK(body_of(packed).size() * 2 < body_of(plain).size());
    CHECK(header_of(plain, "Vary") == "Accept-Encoding");
    CHECK(header_of(packed, "Vary") == "Accept-Encoding");
    const std::string plain_tag = header_of(plain, "ETag");
    const std::string packed_tag = header_of(packed, "ETag");
    CHECK(plain_tag != packed_tag);
    CHECK(status_of(get(path, "If-None-Match: " + plain_tag + "\r\n")) == 304);
    CHECK(status_of(get(path, "If-None-Match: " + packed_tag + "\r\n")) == 200);
    const std::string unchanged =
        get(path, "Accept-Encoding: gzip\r\nIf-None-Match: \"other\", " + packed_tag + "\r\n");
    CHECK(status_of(unchanged) == 304);
    CHECK(header_of(unchanged, "ETag") == packed_tag);
    CHECK(body_of(unchanged).empty());
  }
}

TEST_CASE_METHOD(ProtocolFixture, "the page says what the model knows, with hostile labels as text") {
  const std::string page = body_of(get("/"));
  CHECK_THAT(page, Contains("<bdi>dark &lt;b&gt;</bdi> and <bdi>bright</bdi>") && !Contains("dark <b>"));
  CHECK_THAT(page, Contains("data-loaded=\"true\"") && Contains(std::string(64, 'a')));
  const ProtocolFixture loading(false);
  CHECK_THAT(body_of(loading.get("/")), Contains("data-loaded=\"false\"") && Contains("still being loaded"));
}

TEST_CASE("the classes of ImageNet, many classes and one class are put into words") {
  std::vector<std::string> labels(1000, "something");
  const auto words = [&labels] {
    return web::model_section(
        web::ModelFacts{
            .demo = false, .name = "m", .precision = "p", .engine = "e", .weights_sha256 = "0", .labels = labels},
        "../");
  };
  CHECK_THAT(words(), Contains("1,000 classes: <bdi>something</bdi>, ") && Contains(" and 995 more."));
  CHECK_THAT(words(), Contains("href=\"../v1/classes\""));
  labels.front() = "tench, Tinca tinca";
  labels.back() = "toilet tissue";
  CHECK_THAT(words(), Contains("classes of ImageNet") && !Contains("something"));
  labels = {std::string(47, 'x') + "ä" + std::string(900, 'x')};
  CHECK_THAT(words(), Contains("1 class: <bdi>" + std::string(47, 'x') + "…</bdi>"));
}

TEST_CASE("no probability is shown as nothing or all") {
  CHECK(web::percent(0.9123) == "91.2 %");
  CHECK(web::percent(0.99951) == "> 99.9 %");
  CHECK(web::percent(1e-9) == "< 0.1 %");
}

TEST_CASE("links lead back to the root from any depth") {
  CHECK(web::root_of("/").empty());
  CHECK(web::root_of("/docs").empty());
  CHECK(web::root_of("/v1/classify") == "../");
  const ProtocolFixture fixture;
  const std::string refused =
      fixture.request("POST", "/v1/a/b", std::string(kFormHeader) + "Accept: text/html\r\n", "--XX--");
  CHECK(status_of(refused) == 404);
  CHECK_THAT(refused, Contains("href=\"../../app.css\"") && Contains("href=\"../.././\""));
}

TEST_CASE_METHOD(ProtocolFixture, "every class can be read, with its index and WordNet id") {
  const Json answer = Json::parse(body_of(get("/v1/classes")));
  REQUIRE(answer["classes"].size() == 2);
  CHECK(answer["classes"][0] == Json({{"index", 0}, {"label", "dark <b>"}, {"wnid", "n00000000"}}));
  CHECK(answer["model"]["architecture"] == "resnet18");
  CHECK(status_of(ProtocolFixture(false).get("/v1/classes")) == 503);
}

TEST_CASE_METHOD(ProtocolFixture, "the examples of the page are pictures that the server classifies") {
  for (const std::string& name : protocol::example_names()) {
    const std::string response = get("/examples/" + name);
    CHECK(header_of(response, "Content-Type") == "image/jpeg");
    CHECK(status_of(post(body_of(response))) == 200);
    CHECK_THAT(body_of(get("/")), Contains("href=\"examples/" + name + "\""));
  }
  CHECK(body_of(get("/examples/sun.jpg")) == body_of(get("/examples/sun.jpg")));
  CHECK(status_of(get("/examples/nothing.jpg")) == 404);
}

TEST_CASE_METHOD(ProtocolFixture, "an answer tells whether it is sure, and why not in words") {
  const Json good = Json::parse(body_of(post(read_picture("exif-3.jpg"))))["results"][0]["certainty"];
  CHECK(good["sure"] == true);
  CHECK(good["note"] == "");
  protocol::PictureResult result;
  result.predictions = {{0, "a", 0.23, 0.2}};
  result.certainty = {false, 11.6};
  CHECK_THAT(protocol::certainty_note(result), Contains("only 23.0 %") && Contains("about 12 classes"));
  result.predictions = {{0, "a", 0.61, 0.2}};
  CHECK_THAT(protocol::certainty_note(result), Contains("has 61.0 %, but"));
  const auto page = protocol::answer_html({result}, model->info_, model->manifest_, "id", "../");
  CHECK_THAT(page, Contains("Not sure") && Contains("href=\".././\"") && Contains("href=\"../app.css\""));
}

TEST_CASE_METHOD(ProtocolFixture, "whoever has signed in gets a command line that signs in as well") {
  CHECK_THAT(get("/", "Authorization: Basic eDp5\r\n"), Contains("data-signed-in=\"basic\"") && !Contains("eDp5"));
  CHECK_THAT(get("/", "Authorization: Bearer abc\r\n"), Contains("data-signed-in=\"bearer\""));
  CHECK_THAT(get("/"), Contains("data-signed-in=\"\""));
}

TEST_CASE("without the upload page the API stays") {
  ProtocolFixture fixture(
      true, {.top_k = 5, .max_upload_bytes = 1000, .request_timeout = std::chrono::seconds(10), .upload_page = false});
  CHECK(status_of(fixture.get("/")) == 404);
  CHECK(status_of(fixture.get("/examples/sun.jpg")) == 404);
  CHECK(status_of(fixture.get("/readyz")) == 200);
}
