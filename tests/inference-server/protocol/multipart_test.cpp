#include "inference-server/protocol/multipart.hpp"

#include <catch2/catch.hpp>

using namespace imageclassifier::protocol;

namespace {

const std::string kHead = "--B\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.jpg\"\r\n\r\n";

ProblemCode code_of(const std::string& body, const std::string& boundary = "B") {
  const auto parts = parse_multipart(body, boundary);
  REQUIRE_FALSE(parts.has_value());
  return parts.error().code;
}

}  // namespace

TEST_CASE("the boundary is taken from the content type, quoted or not") {
  CHECK(multipart_boundary("multipart/form-data; boundary=abc") == "abc");
  CHECK(multipart_boundary("multipart/form-data; charset=x; Boundary=\"a b:c\"") == "a b:c");
  for (const char* type : {"multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=\"x",
                           "multipart/form-data; boundary=\"a \"",
                           "multipart/form-data; boundary=a;;=", "multipart/form-data; boundary=\"\xff\""}) {
    CHECK(multipart_boundary(type).empty());
  }
  CHECK(multipart_boundary("multipart/form-data; boundary=" + std::string(71, 'a')).empty());
}

TEST_CASE("parts come in order, with any bytes in their bodies") {
  const std::string bytes("\0\r\n--\r\n--C\r\n", 12);
  const std::string body = "preamble\r\n" + kHead + bytes +
                           "\r\n--B  \r\ncontent-disposition: FORM-DATA; name=k\r\nX: y\r\n\r\n" +
                           "\r\n--B--\r\nepilogue";
  const auto parts = parse_multipart(body, "B");
  REQUIRE(parts.has_value());
  REQUIRE(parts->size() == 2);
  CHECK((*parts)[0].name == "image");
  CHECK((*parts)[0].filename == "a.jpg");
  CHECK((*parts)[0].body == bytes);
  CHECK((*parts)[1].name == "k");
  CHECK_FALSE((*parts)[1].has_file);
  CHECK((*parts)[1].body.empty());
}

TEST_CASE("quotes in names may be escaped, other backslashes are themselves") {
  const auto parts = parse_multipart(
      "--B\r\nContent-Disposition: form-data; name=\"a\\\"b\"; filename=\"C:\\x\\y.jpg\"\r\n\r\nz\r\n--B--", "B");
  REQUIRE(parts.has_value());
  CHECK((*parts)[0].name == "a\"b");
  CHECK((*parts)[0].filename == "C:\\x\\y.jpg");
}

TEST_CASE("what is not a whole form is refused") {
  for (const std::string& body :
       {std::string(), std::string("--C\r\n"), kHead, kHead + "x\r\n", kHead + "x\r\n--B", kHead + "x\r\n--Bx\r\n",
        std::string("--B\r\n\r\nx\r\n--B--"), std::string("--B\r\nContent-Type: x\r\n\r\nx\r\n--B--"),
        std::string("--B\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\nx\r\n--B--"),
        std::string("--B\r\nContent-Disposition: form-data\r\n\r\nx\r\n--B--"),
        std::string("--B\r\nContent-Disposition: form-data; name=\"a\r\n\r\nx\r\n--B--"),
        std::string("--B\r\nno colon\r\n\r\nx\r\n--B--"),
        "--B\r\nContent-Disposition: form-data; name=\"" + std::string(9000, 'a') + "\"\r\n\r\nx\r\n--B--"}) {
    CHECK(code_of(body) == ProblemCode::kBadMultipart);
  }
  CHECK(code_of(kHead, "") == ProblemCode::kBadMultipart);
}

TEST_CASE("a shown file name is a base name of valid text, cut at 255 bytes") {
  CHECK(display_name("/etc/passwd") == "passwd");
  CHECK(display_name("C:\\photos\\a.jpg") == "a.jpg");
  CHECK(display_name("a\r\n\x01\x7f"
                     "b\xc2\x85") == "ab");
  CHECK(display_name("\xff\xe2\x82\xac\xe2\x82") == "\xEF\xBF\xBD\xe2\x82\xac\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(display_name("\xed\xa0\x80") == "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(display_name(std::string(254, 'a') + "\xc3\xa4") == std::string(254, 'a'));
}
