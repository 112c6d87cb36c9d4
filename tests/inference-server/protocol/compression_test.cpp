#include "inference-server/protocol/compression.hpp"

#include "tests/inference-server/protocol/v2_fixture.hpp"

using namespace imageclassifier;
using namespace imageclassifier::test;
using namespace imageclassifier::protocol;

namespace {

std::string packed(const std::string& plain, ContentCoding coding) {
  HttpResponse response{.body = plain + std::string(1024, ' ')};
  compress_body(response, coding);
  return response.body;
}

std::optional<Problem> unpack(std::string& body, const std::string& coding, std::size_t limit = 100'000) {
  HttpRequest request{.method = "POST", .target = "/", .path = "/", .query = ""};
  request.headers = {{"Content-Encoding", coding}};
  request.body = std::move(body);
  auto problem = uncompress_body(request, limit);
  body = std::move(request.body);
  return problem;
}

ContentCoding accepted(const std::string& header) {
  HttpRequest request{.method = "GET", .target = "/", .path = "/", .query = ""};
  request.headers = {{"Accept-Encoding", header}};
  return accepted_coding(request);
}

}  // namespace

TEST_CASE("bodies in gzip and deflate are read, up to the limit and not a byte more") {
  for (const auto& [name, coding] : {std::pair("gzip", ContentCoding::kGzip), std::pair("x-gzip", ContentCoding::kGzip),
                                     std::pair(" Deflate", ContentCoding::kDeflate)}) {
    const std::string whole = packed("text", coding);
    std::string body = whole;
    CHECK_FALSE(unpack(body, name));
    CHECK(body == "text" + std::string(1024, ' '));
    body = whole;
    CHECK_FALSE(unpack(body, name, 1028));
    body = whole;
    REQUIRE(unpack(body, name, 1027));
    body = whole;
    CHECK(unpack(body, name, 1027)->code == ProblemCode::kBodyTooLarge);
    for (std::string bad : {whole.substr(0, whole.size() - 1), whole + "x", std::string("text"), std::string()}) {
      const auto problem = unpack(bad, name);
      REQUIRE(problem);
      CHECK(problem->code == ProblemCode::kBadRequest);
    }
  }
  for (const char* name : {"br", "gzip, gzip", "zstd"}) {
    std::string body = "x";
    CHECK(unpack(body, name)->code == ProblemCode::kUnsupportedEncoding);
  }
  std::string plain = "as it is";
  CHECK_FALSE(unpack(plain, "identity"));
  CHECK(plain == "as it is");
}

TEST_CASE("a small body that grows without end is given up at the limit") {
  std::string bomb = packed(std::string(50'000'000, '\0'), ContentCoding::kGzip);
  REQUIRE(bomb.size() < 300'000);
  CHECK(unpack(bomb, "gzip", 1'000'000)->code == ProblemCode::kBodyTooLarge);
  CHECK(bomb.size() <= 1'000'000);
}

TEST_CASE("answers are compressed when they are large enough and the client asks") {
  CHECK(accepted("gzip, deflate, br") == ContentCoding::kGzip);
  CHECK(accepted("deflate;q=0.5") == ContentCoding::kDeflate);
  CHECK(accepted("gzip;q=0, deflate;q=0.0") == ContentCoding::kIdentity);
  CHECK(accepted("gzip;q=0.5") == ContentCoding::kGzip);
  for (const char* other : {"", "*", "br", "identity", ",,"}) CHECK(accepted(other) == ContentCoding::kIdentity);
  HttpResponse small{.body = std::string(1023, 'x')};
  compress_body(small, ContentCoding::kGzip);
  CHECK(small.body.size() == 1023);
  CHECK(small.headers.empty());
}

TEST_CASE_METHOD(V2Fixture, "uploads and tensors may be sent compressed; errors come as the protocol has them") {
  const std::string picture = read_picture("exif-3.jpg");
  const std::string expected = body_of(infer(image_request({picture})));
  CHECK(body_of(infer(packed(image_request({picture}).dump(), ContentCoding::kDeflate),
                      "Content-Encoding: deflate\r\n")) == expected);
  // A picture may have anything behind its end.
  CHECK(status_of(post(packed(picture, ContentCoding::kGzip), "", "Content-Encoding: gzip\r\n")) == 200);
  check_v2_error(infer(std::string("x"), "Content-Encoding: gzip\r\n"), 400);
  const std::string damaged = post("x", "", "Content-Encoding: gzip\r\n");
  CHECK(status_of(damaged) == 400);
  CHECK(json_of(damaged)["code"] == "bad_request");

  const std::vector<std::string> many(32, picture);
  const std::string compressed = infer(image_request(many).dump(), "Accept-Encoding: gzip\r\n");
  REQUIRE(status_of(compressed) == 200);
  CHECK(header_of(compressed, "Content-Encoding") == "gzip");
  CHECK(header_of(compressed, "Vary") == "Accept-Encoding");
  std::string body = body_of(compressed);
  CHECK_FALSE(unpack(body, "gzip"));
  CHECK(Json::parse(body) == json_of(infer(image_request(many))));
}
