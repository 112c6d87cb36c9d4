#include "common/json_scan.hpp"

#include <catch2/catch.hpp>
#include <vector>

using namespace imageclassifier;

TEST_CASE("a member is found by its name, with its raw text") {
  const std::string text = R"( { "a" : {"b":[1,{"c":"}]"}]} , "d":"x\"y", "e" : 12.5e3 , "f":null } )";
  CHECK(find_member(text, "a") == R"({"b":[1,{"c":"}]"}]})");
  CHECK(find_member(text, "d") == R"("x\"y")");
  CHECK(find_member(text, "e") == "12.5e3");
  CHECK(find_member(text, "f") == "null");
  CHECK_FALSE(find_member(text, "b"));
}

TEST_CASE("a path leads through objects, and its string is unescaped") {
  const std::string text = R"({"metadata":{"name":"a\u00e4\n\"","n":1}})";
  CHECK(find_string(text, {"metadata", "name"}) == "a\xc3\xa4\n\"");
  CHECK(find_string(text, {"metadata", "n"}).empty());
  CHECK(find_string(text, {"metadata", "none"}).empty());
  CHECK(find_string(text, {"none", "name"}).empty());
}

TEST_CASE("elements are visited in their order until the visitor has enough") {
  std::vector<std::string> seen;
  const auto visit = [&](std::string_view value) {
    seen.emplace_back(value);
    return seen.size() < 3;
  };
  CHECK(for_each_element(R"([ {"a":1}, [2] , "x" , 4 ])", visit));
  CHECK(seen == std::vector<std::string>{R"({"a":1})", "[2]", "\"x\""});
  CHECK(for_each_element(" [ ] ", visit));
  CHECK(for_each_member(" { } ", [](auto, auto) { return true; }));
}

TEST_CASE("broken text is refused") {
  const std::string text =
      GENERATE("", "{", "[", "{\"a", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{\"a\":{]}",
               "{\"a\":\"\\", "{a:1}", "{\"a\" 1}", "{\"a\":}", "{,}", "\"x\"", "null", "{\"a\":1 \"b\":2}");
  CHECK_FALSE(for_each_member(text, [](auto, auto) { return true; }));
}

TEST_CASE("deep nesting ends in a refusal, not in a stack overflow") {
  const std::string deep(1000000, '[');
  CHECK_FALSE(for_each_element(deep, [](auto) { return true; }));
  CHECK_FALSE(find_member("{\"a\":" + deep, "a"));
}
