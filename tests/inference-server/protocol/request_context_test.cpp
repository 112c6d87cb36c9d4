#include "inference-server/protocol/request_context.hpp"

#include <catch2/catch.hpp>

using namespace imageclassifier;
using namespace imageclassifier::protocol;

namespace {

const std::string kTrace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

std::string read(const std::string& value) {
  HttpRequest request;
  request.headers.push_back({"TraceParent", value});
  return traceparent(request);
}

}  // namespace

TEST_CASE("a traceparent is taken if it is well-formed") {
  CHECK(read(kTrace) == kTrace);
  // Of a later version only what this one has.
  const std::string later = "cc" + kTrace.substr(2);
  CHECK(read(later) == later);
  CHECK(read(later + "-what-the-future-brings") == later);
}

TEST_CASE("a traceparent that is not well-formed is as none") {
  const auto with = [](std::size_t position, const std::string& text) {
    std::string changed = kTrace;
    return changed.replace(position, text.size(), text);
  };
  for (const std::string& wrong :
       {std::string(), std::string("00"), kTrace.substr(0, 54), kTrace + "-00", kTrace + "0", with(0, "ff"),
        with(0, "0x"), with(2, "_"), with(3, std::string(32, '0')), with(36, std::string(16, '0')), with(3, "4BF92F"),
        with(40, "g"), with(35, "0"), with(52, "0"), with(53, "zz"), "cc" + kTrace.substr(2) + "x",
        "cc" + kTrace.substr(2) + "-" + std::string(1000, 'a')}) {
    INFO(wrong);
    CHECK(read(wrong).empty());
  }
  HttpRequest twice;
  twice.headers = {{"traceparent", kTrace}, {"Traceparent", kTrace}};
  CHECK(traceparent(twice).empty());
}

TEST_CASE("an answer carries the traceparent of its request, if that has one") {
  HttpRequest request;
  HttpResponse response;
  add_traceparent(request, response);
  CHECK(response.headers.empty());
  request.headers = {{"traceparent", kTrace}};
  add_traceparent(request, response);
  REQUIRE(response.headers.size() == 1);
  CHECK(response.headers[0].name == "Traceparent");
  CHECK(response.headers[0].value == kTrace);
}
