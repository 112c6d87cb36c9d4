#include "operator/kubernetes/line_splitter.hpp"

#include <catch2/catch.hpp>
#include <vector>

using namespace imageclassifier::kubernetes;
using Verdict = LineSplitter::Verdict;

namespace {

struct Lines final : LineSink {
  std::vector<std::string> seen;
  std::size_t enough = 1000;
  bool on_line(std::string_view line) override {
    seen.emplace_back(line);
    return seen.size() < enough;
  }
};

}  // namespace

TEST_CASE("lines come out whole whatever the pieces are") {
  const std::string text = "one\ntwo\r\n\n\r\nth\xc3\xa4ree\nlast";
  for (std::size_t size = 1; size <= text.size(); ++size) {
    LineSplitter splitter(100);
    Lines lines;
    for (std::size_t at = 0; at < text.size(); at += size) {
      REQUIRE(splitter.feed(std::string_view(text).substr(at, size), lines) == Verdict::kContinue);
    }
    CHECK(lines.seen == std::vector<std::string>{"one", "two", "th\xc3\xa4ree"});
    CHECK(splitter.finish(lines) == Verdict::kContinue);
    CHECK(lines.seen.back() == "last");
  }
}

TEST_CASE("a line beyond the limit is refused before it is kept") {
  LineSplitter splitter(10);
  Lines lines;
  CHECK(splitter.feed("0123456789", lines) == Verdict::kContinue);
  CHECK(splitter.feed("\n0123456789\n", lines) == Verdict::kContinue);
  CHECK(splitter.feed("01234", lines) == Verdict::kContinue);
  CHECK(splitter.feed("567890", lines) == Verdict::kLineTooLong);
  CHECK(lines.seen.size() == 2);
}

TEST_CASE("a sink that has enough ends the stream") {
  LineSplitter splitter(10);
  Lines lines;
  lines.enough = 2;
  CHECK(splitter.feed("a\nb\nc\n", lines) == Verdict::kEndedBySink);
  CHECK(lines.seen.size() == 2);
}
