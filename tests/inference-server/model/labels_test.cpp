#include "inference-server/model/labels.hpp"

#include <catch2/catch.hpp>

#include "inference-server/model/manifest.hpp"

using namespace imageclassifier;
using Names = std::vector<std::string>;

namespace {

model::Labels labels_of(const std::string& text) {
  const auto labels = model::parse_labels(text);
  if (!labels) FAIL(labels.error().describe());
  return *labels;
}

std::string error_of(const std::string& text) {
  const auto labels = model::parse_labels(text);
  REQUIRE_FALSE(labels);
  CHECK(labels.error().code == ErrorCode::kInvalidArgument);
  CHECK(labels.error().message.size() < 200);
  return labels.error().message;
}

}  // namespace

TEST_CASE("labels are read from lines, lists and objects, with WordNet ids where they stand") {
  CHECK(labels_of("tench\ngoldfish").names == Names{"tench", "goldfish"});
  CHECK(labels_of("\xEF\xBB\xBFtench\r\nFran\xC3\xA7ois\r\n\r\n").names == Names{"tench", "Fran\xC3\xA7ois"});
  CHECK(labels_of(" [\"tench\", \"a [b] {c}\"]").names == Names{"tench", "a [b] {c}"});
  CHECK(labels_of(R"({"1": "b", "0": "a"})").names == Names{"a", "b"});
  for (const char* text : {R"({"1": ["n01443537", "goldfish"], "0": ["n01440764", "tench"]})",
                           R"([["n01440764", "tench"], ["n01443537", "goldfish"]])"}) {
    CHECK(labels_of(text).names == Names{"tench", "goldfish"});
    CHECK(labels_of(text).wnids == Names{"n01440764", "n01443537"});
  }
  CHECK(labels_of("{\"10\":\"k\",\"9\":\"j\",\"8\":\"i\",\"7\":\"h\",\"6\":\"g\",\"5\":\"f\",\"4\":\"e\",\"3\":\"d\","
                  "\"2\":\"c\",\"1\":\"b\",\"0\":\"a\"}")
            .names.back() == "k");
}

TEST_CASE("a name that repeats stays at each of its indices") {
  CHECK(labels_of("crane\ncat\ncrane\n").names == Names{"crane", "cat", "crane"});
}

TEST_CASE("a hostile or broken labels file is refused and the label is named") {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", "there are none"},
      {"\n\n", "there are none"},
      {"[]", "there are none"},
      {"a\n\nb\n", "label 2 is empty"},
      {"a\nb\x1b[31m\n", "label 2 has a control character"},
      {"a\tb\n", "control character"},
      {"a\xC2\x9B"
       "b\n",
       "control character"},
      {std::string("a\0b", 3), "control character"},
      {"[\"a\\u0007\"]", "control character"},
      {"a\n" + std::string(10'000, 'x'), "label 2 has more than 1,000 bytes"},
      {"\xFF\n", "label 1 is not UTF-8"},
      {"\xC0\x80\n", "not UTF-8"},
      {"\xED\xA0\x80\n", "not UTF-8"},
      {"\xF5\x80\x80\x80\n", "not UTF-8"},
      {"\xE2\x82", "not UTF-8"},
      {"[\"a\"", "begins as JSON"},
      {"[\"\xFF\"]", "begins as JSON"},
      {"[1]", "neither a name nor a pair"},
      {"[[\"n1\",\"a\",\"b\"]]", "neither a name nor a pair"},
      {"[\"a\", [\"n1\", \"b\"]]", "some have a WordNet id"},
      {"[[\"n1\", \"b\"], \"a\"]", "some have a WordNet id"},
      {"[[\"n 1\", \"b\"]]", "a WordNet id that is none"},
      {"{\"1\": \"a\"}", "index \"0\" is missing"},
      {"{\"0\": \"a\", \"2\": \"b\"}", "index \"1\" is missing"},
      {"{\"0\": \"a\", \"0\": \"b\"}", "appears twice"},
      {std::string(100'000, '['), "begins as JSON"}};
  for (const auto& [text, sentence] : cases) {
    INFO(text.substr(0, 100));
    CHECK_THAT(error_of(text), Catch::Contains(sentence));
  }
  std::string many;
  for (int i = 0; i <= 100'000; ++i) many += "a\n";
  CHECK_THAT(error_of(many), Catch::Contains("more than 100,000"));
}

TEST_CASE("a manifest keeps WordNet ids and has no hostile labels") {
  model::Manifest manifest;
  manifest.labels = {"tench", "goldfish"};
  manifest.wnids = {"n01440764", "n01443537"};
  CHECK(model::parse_manifest(model::to_metadata(manifest))->wnids == manifest.wnids);
  CHECK_FALSE(model::parse_manifest({{"labels", "[\"a\\u001b\"]"}}));
  CHECK_FALSE(model::parse_manifest({{"labels", "[\"a\", \"b\"]"}, {"wnids", "[\"n1\"]"}}));
}
