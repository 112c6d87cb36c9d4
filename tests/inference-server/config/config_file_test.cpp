#include "inference-server/config/config_file.hpp"

#include <catch2/catch.hpp>

#include "inference-server/config/nearest.hpp"

using namespace imageclassifier;
using namespace imageclassifier::config;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

TEST_CASE("a configuration file sets options, and knows the line of each") {
  const auto settings = parse_config(
      "# ours\ntop-k: 3\n\nmodel: '/models/a: b.safetensors'\nupload-page: no\ncors-origin:\n  - https://a.example\n"
      "  - https://b.example\n");
  REQUIRE(settings.has_value());
  REQUIRE(settings->size() == 4);
  CHECK((*settings)[0].key == "top-k");
  CHECK((*settings)[0].value == "3");
  CHECK((*settings)[0].line == 2);
  CHECK((*settings)[1].value == "/models/a: b.safetensors");
  CHECK((*settings)[2].value == "no");
  CHECK_FALSE((*settings)[2].list);
  CHECK((*settings)[3].value == "https://a.example,https://b.example");
  CHECK((*settings)[3].list);
  for (const char* nothing : {"", "\n", "# only words\n", "---\n", "~"}) {
    INFO(nothing);
    const auto empty = parse_config(nothing);
    REQUIRE(empty.has_value());
    CHECK(empty->empty());
  }
}

TEST_CASE("what is no configuration file is refused with the line that is wrong") {
  const auto refused = [](const std::string& text) {
    const auto settings = parse_config(text);
    INFO(text);
    REQUIRE_FALSE(settings.has_value());
    CHECK(settings.error().code == ErrorCode::kInvalidArgument);
    return settings.error().message;
  };
  CHECK_THAT(refused("top-k: 3\nmodel: [a\n"), StartsWith("line "));
  CHECK_THAT(refused("top-k: 3\nlisten:\n"), StartsWith("line 2: listen has no value"));
  CHECK_THAT(refused("top-k: 3\nlisten: {port: 1}\n"), StartsWith("line 2: listen must be one value"));
  CHECK_THAT(refused("cors-origin:\n- a\n- [b]\n"), StartsWith("line 3: cors-origin must be a list of texts"));
  CHECK_THAT(refused("cors-origin: []\n"), Contains("empty list"));
  CHECK_THAT(refused("cors-origin: ['a,b']\n"), Contains("has a comma"));
  CHECK_THAT(refused("top-k: 3\nlabels: a\ntop-k: 4\n"), StartsWith("line 3: top-k was already given in line 1"));
  CHECK_THAT(refused("- top-k\n"), Contains("option: value"));
  CHECK_THAT(refused("only words"), Contains("option: value"));
  CHECK_THAT(refused("? [a]\n: b\n"), StartsWith("line 1: a key must be the name"));
  CHECK_THAT(refused("top-k: 1\n---\ntop-k: 2\n"), Contains("one document"));
  CHECK_THAT(refused("a: *nobody\n"), StartsWith("line 1: "));
}

TEST_CASE("the printed configuration is read back as it is, whatever the values hold") {
  const std::vector<Effective> options = {{"model", "/a b/ä: #1.pth", "flag"},
                                          {"labels", "", "default"},
                                          {"model-name", "true", "environment INFERENCE_MODEL_NAME"},
                                          {"listen", "[::1]:8080", "default"},
                                          {"tls-key", "~", "file, line 3"},
                                          {"termination-log", "line\none \"two\"", "default"}};
  const std::string text = config_text(options);
  CHECK_THAT(text, Contains("model-name: true  # environment INFERENCE_MODEL_NAME\n"));
  CHECK_THAT(text, Contains("# labels:  # not set\n"));
  const auto settings = parse_config(text);
  REQUIRE(settings.has_value());
  REQUIRE(settings->size() == 5);
  auto setting = settings->begin();
  for (const Effective& option : options) {
    if (option.value.empty()) continue;
    CHECK(setting->key == option.key);
    CHECK(setting->value == option.value);
    ++setting;
  }
}

TEST_CASE("a word is taken for the nearest one that is known, or for none") {
  const std::vector<std::string> known = {"top-k", "tls-key", "model", "model-name", "max-upload-bytes"};
  CHECK(nearest("topk", known) == "top-k");
  CHECK(nearest("mdoel", known) == "model");
  CHECK(nearest("max_upload_bytes", known) == "max-upload-bytes");
  CHECK(nearest("model", known) == "model");
  CHECK(nearest("port", known).empty());
  CHECK(nearest("", known).empty());
  CHECK(nearest(std::string(100'000, 'm'), known).empty());
  CHECK(hint("modle", known) == "; did you mean model?");
  CHECK(hint("colour", known).empty());
}
