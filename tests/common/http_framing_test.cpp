#include "common/http_framing.hpp"

#include <catch2/catch.hpp>

using namespace imageclassifier;

namespace {

HeaderScanner::State scan(std::string_view bytes, std::size_t limit = 1000) {
  return HeaderScanner(limit).scan(bytes);
}

struct Decoded {
  ChunkDecoder::State state;
  std::string body;
  std::string rest;
};

Decoded decode(std::string_view input, std::size_t step, std::size_t max_chunks = 10, std::size_t max_body = 100) {
  ChunkDecoder decoder(max_chunks, max_body);
  Decoded decoded{ChunkDecoder::State::kMore, {}, {}};
  while (!input.empty() && decoded.state == ChunkDecoder::State::kMore) {
    std::string_view piece = input.substr(0, step);
    const std::size_t size = piece.size();
    decoded.state = decoder.feed(piece, decoded.body);
    input.remove_prefix(size - piece.size());
  }
  decoded.rest = std::string(input);
  return decoded;
}

HttpRequest with(std::vector<HttpHeader> headers) {
  HttpRequest request;
  request.headers = std::move(headers);
  return request;
}

}  // namespace

TEST_CASE("a header block ends at the empty line, however it arrives") {
  const std::string block = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  HeaderScanner scanner(1000);
  for (std::size_t size = 1; size < block.size(); ++size) {
    CHECK(scanner.scan(block.substr(0, size)) == HeaderScanner::State::kIncomplete);
  }
  CHECK(scanner.scan(block + "body") == HeaderScanner::State::kComplete);
  CHECK(scanner.size() == block.size());
}

TEST_CASE("a header block with bare LF or CR, folding, NUL or a leading empty line is malformed") {
  for (const std::string_view bytes :
       {std::string_view("GET / HTTP/1.1\nHost: x\r\n\r\n"), std::string_view("GET / HTTP/1.1\r\nA: b\rc\r\n\r\n"),
        std::string_view("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n"),
        std::string_view("GET / HTTP/1.1\r\nA: \0\r\n\r\n", 24), std::string_view("\r\nGET"), std::string_view("\nGET"),
        std::string_view(" GET")}) {
    CHECK(scan(bytes) == HeaderScanner::State::kMalformed);
  }
}

TEST_CASE("a header block may have exactly the limit's size") {
  const std::string block = "GET / HTTP/1.1\r\n\r\n";
  CHECK(scan(block, block.size()) == HeaderScanner::State::kComplete);
  CHECK(scan(block, block.size() - 1) == HeaderScanner::State::kTooLarge);
}

TEST_CASE("a body is framed by nothing, one Content-Length or one chunked") {
  CHECK(body_framing(with({}), true)->length == 0);
  CHECK(body_framing(with({{"content-length", "12"}}), true)->length == 12);
  CHECK(body_framing(with({{"Transfer-Encoding", "CHUNKED"}}), true)->chunked);
  for (const auto& headers :
       std::vector<std::vector<HttpHeader>>{{{"Content-Length", "1"}, {"Content-Length", "1"}},
                                            {{"Content-Length", "1, 1"}},
                                            {{"Content-Length", "+1"}},
                                            {{"Content-Length", "-1"}},
                                            {{"Content-Length", ""}},
                                            {{"Content-Length", "0x1"}},
                                            {{"Content-Length", "99999999999999999999"}},
                                            {{"Content-Length", "1"}, {"Transfer-Encoding", "chunked"}},
                                            {{"Transfer-Encoding", "gzip, chunked"}},
                                            {{"Transfer-Encoding", "identity"}},
                                            {{"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}},
                                            {{"Transfer-Encoding", "chunked, identity"}}}) {
    CHECK_FALSE(body_framing(with(headers), true).has_value());
  }
  CHECK_FALSE(body_framing(with({{"Transfer-Encoding", "chunked"}}), false).has_value());
}

TEST_CASE("a chunked body decodes the same in one piece and byte by byte") {
  const std::string input = "5;name=\"v\"\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: x\r\n\r\nGET";
  for (const std::size_t step : {std::size_t{1}, std::size_t{3}, input.size()}) {
    const Decoded decoded = decode(input, step);
    CHECK(decoded.state == ChunkDecoder::State::kDone);
    CHECK(decoded.body == "hello world");
    CHECK(decoded.rest == "GET");
  }
}

TEST_CASE("a malformed chunked body is refused") {
  for (const std::string input : {"x\r\n", "\r\n", "5\nhello", "-1\r\n", "5\r\nhelloX", "5\r\nhello\n",
                                  "0000000000000001\r\n", "5 \r\nhello", "ffffffffffffffff\r\n", "0\r\n\n", "5;a\nb"}) {
    CHECK(decode(input, 1).state == ChunkDecoder::State::kMalformed);
  }
  CHECK(decode("1;" + std::string(2000, 'x'), 100).state == ChunkDecoder::State::kMalformed);
  CHECK(decode("0\r\nA: " + std::string(9000, 'x'), 100).state == ChunkDecoder::State::kMalformed);
}

TEST_CASE("a chunked body has a limit of size and of chunks, checked at each chunk's header") {
  CHECK(decode("5\r\nhello\r\n0\r\n\r\n", 1, 2, 5).state == ChunkDecoder::State::kDone);
  CHECK(decode("5\r\nhello\r\n0\r\n\r\n", 1, 1, 5).state == ChunkDecoder::State::kTooManyChunks);
  CHECK(decode("3\r\nhel\r\n3\r\n", 1, 9, 5).state == ChunkDecoder::State::kTooLarge);
  CHECK(decode("fffffffffffffff\r\n", 1, 9, 5).state == ChunkDecoder::State::kTooLarge);
}

TEST_CASE("a target is split into path and query") {
  HttpRequest request;
  set_target(request, "/v1/classify?k=3&x=a?b");
  CHECK(request.path == "/v1/classify");
  CHECK(request.query == "k=3&x=a?b");
  set_target(request, "http://host:80?q");
  CHECK(request.path == "/");
  set_target(request, "*");
  CHECK(request.path == "*");
}

TEST_CASE("an answer's header carries a date in HTTP's form") {
  const auto time = WallTime{std::chrono::seconds{784111777}};
  CHECK(serialize_response_head({.status = 404, .body = "12"}, true, true, time) ==
        "HTTP/1.1 404 Not Found\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Length: 2\r\n\r\n");
}
