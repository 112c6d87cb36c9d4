#include "common/log.hpp"

#include <catch2/catch.hpp>

using namespace imageclassifier;

TEST_CASE("a log field prints text as JSON and replaces invalid UTF-8") {
  CHECK(log::Field("k", "say \"hi\"\n").json() == "\"say \\\"hi\\\"\\n\"");
  CHECK(log::Field("k", std::string("\xff")).json() == "\"\xef\xbf\xbd\"");
  CHECK(log::Field("k", true).json() == "true");
  CHECK(log::Field("k", 42).json() == "42");
}

TEST_CASE("log levels parse by name and an unknown name changes nothing") {
  log::Level level = log::Level::kError;
  CHECK(log::parse_level("debug", level));
  CHECK(level == log::Level::kDebug);
  CHECK_FALSE(log::parse_level("verbose", level));
  CHECK(level == log::Level::kDebug);
}
