#include "common/path_template.hpp"

#include <catch2/catch.hpp>

using namespace imageclassifier;
using Values = std::vector<std::string>;

TEST_CASE("a path without placeholders matches itself alone") {
  CHECK(match_path("/v1/classify", "/v1/classify") == Values{});
  for (const char* path : {"/v1/classify/", "/v1/Classify", "/v1", "", "//v1/classify", "/v1%2Fclassify"}) {
    CHECK_FALSE(match_path("/v1/classify", path));
  }
}

TEST_CASE("a placeholder stands for one whole segment, decoded") {
  CHECK(match_path("/v2/models/{m}/versions/{v}/infer", "/v2/models/resnet%20101/versions/1/infer") ==
        Values{"resnet 101", "1"});
  CHECK(match_path("/v2/models/{m}", "/v2/models/a%2Fb") == Values{"a/b"});
  for (const char* path : {"/v2/models/", "/v2/models", "/v2/models/a/b", "/v2/models/a/", "/v2/modelsa",
                           "/v2/models/%", "/v2/models/%4", "/v2/models/%zz", "/v2/models/a%"}) {
    INFO(path);
    CHECK_FALSE(match_path("/v2/models/{m}", path));
  }
}

TEST_CASE("text may stand around a placeholder") {
  CHECK(match_path("/v1/models/{m}:predict", "/v1/models/a:b:predict") == Values{"a:b"});
  CHECK_FALSE(match_path("/v1/models/{m}:predict", "/v1/models/:predict"));
  CHECK_FALSE(match_path("/v1/models/{m}:predict", "/v1/models/a:explain"));
}
