#include "common/log.hpp"

#include <catch2/catch.hpp>

#include <thread>
#include "tests/support/captured_log.hpp"

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

TEST_CASE("a scope's fields follow those of the line; the line's own and those of the inner scope win") {
  const log::Scope outer({{"id", 1}, {"controller", "c"}});
  {
    const log::Scope inner({{"id", 2}, log::Field::object("object", {{"name", "pets"}, {"n", 1}})});
    CHECK(log::format_line("M", {{"k", "v"}}) ==
          R"("message":"M","k":"v","controller":"c","id":2,"object":{"name":"pets","n":1})");
  }
  CHECK(log::format_line("M", {{"controller", "own"}}) == R"("message":"M","controller":"own","id":1)");
}

TEST_CASE("a scope is its thread's own") {
  const log::Scope scope({{"id", 1}});
  std::string other;
  std::jthread([&] { other = log::format_line("M", {}); }).join();
  CHECK(other == R"("message":"M")");
}

TEST_CASE(
    "a secret that somebody else puts into a line is not shown, whatever the field, and short words are left alone") {
  log::conceal("correct horse battery");
  log::conceal("the");
  testing::CapturedLog captured;
  log::warning("Watch failed",
               {{"error", "boom Bearer correct horse battery, correct horse battery"}, {"other", "the end"}});
  const std::string text = captured.text();
  CHECK(text.find("horse") == std::string::npos);
  CHECK(text.find("boom Bearer [redacted], [redacted]") != std::string::npos);
  CHECK(text.find("the end") != std::string::npos);
}

TEST_CASE("of what is confidential no part is shown, as long as it is") {
  const std::string value = "one-long-value-that-nobody-may-see";
  std::string quoted = "it holds " + value.substr(3, 20) + ", and not " + value.substr(9, 15) + "; " + value + value;
  {
    const log::Confidential untold({Secret(value), Secret("shorter-one")});
    std::string other = "shorter-one " + value.substr(0, 16);
    log::redact_concealed(other);
    CHECK(other == "[redacted] [redacted]");
    log::redact_concealed(quoted);
    CHECK(quoted == "it holds [redacted], and not " + value.substr(9, 15) + "; [redacted]");
    testing::CapturedLog captured;
    log::warning("Refused", {{"error", "denied: " + value}});
    CHECK(captured.text().find("denied: [redacted]") != std::string::npos);
  }
  std::string later = value;
  log::redact_concealed(later);
  CHECK(later == value);
}

TEST_CASE("a secret is also found where JSON spells it in another way") {
  log::conceal("pass\"word\\long");
  testing::CapturedLog captured;
  log::warning("Watch failed", {{"error", "sent pass\"word\\long"}});
  const std::string text = captured.text();
  CHECK(text.find("word") == std::string::npos);
  CHECK(text.find("sent [redacted]") != std::string::npos);
}
