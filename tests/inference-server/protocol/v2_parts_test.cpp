#include <nlohmann/json.hpp>

#include "inference-server/protocol/base64.hpp"
#include "inference-server/protocol/query.hpp"
#include "inference-server/protocol/v2_binary.hpp"
#include "inference-server/protocol/v2_json.hpp"
#include "tests/inference-server/protocol/v2_fixture.hpp"

using namespace imageclassifier;
using namespace imageclassifier::test;
using namespace imageclassifier::protocol;

namespace {

struct Read {
  Json root;
  std::vector<V2Data> data;
  std::optional<Problem> problem;
};

Read read(const std::string& text) {
  Read result;
  result.problem = read_v2_json(text, result.root, result.data);
  return result;
}

std::string repeated(const std::string& text, std::size_t count) {
  std::string all;
  while (count-- > 0) all += text;
  return all;
}

}  // namespace

TEST_CASE("base64 is read strictly") {
  CHECK(base64_decode("") == "");
  CHECK(base64_decode("Zg==") == "f");
  CHECK(base64_decode("Zm8=") == "fo");
  CHECK(base64_decode("Zm9v") == "foo");
  CHECK(base64_decode("Zm9vYg==") == "foob");
  CHECK(base64_decode("+/+/") == "\xfb\xff\xbf");
  for (const char* bad :
       {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "Zg==\n", "Zm 9", "-_-_", "====", "=", "Zg==Zg==", "Z==="}) {
    INFO(bad);
    CHECK_FALSE(base64_decode(bad));
  }
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  CHECK(base64_decode(base64(all)) == all);
}

TEST_CASE("data of inputs is set apart, in order, and nothing else is") {
  const Read both = read(R"({"data": [1], "inputs": [{"data": [[1, -2], [3.5]]}, {"data": ["a", "b"], "x": 7}]})");
  REQUIRE_FALSE(both.problem);
  REQUIRE(both.data.size() == 2);
  CHECK(both.data[0].numbers == std::vector<float>{1, -2, 3.5F});
  CHECK(both.data[1].strings == std::vector<std::string>{"a", "b"});
  CHECK(both.root == Json::parse(R"({"data": [1], "inputs": [{"data": 0}, {"data": 1, "x": 7}]})"));
  const Read elsewhere = read(R"({"inputs": {"a": {"data": [true]}}, "outputs": [{"data": [1]}]})");
  CHECK_FALSE(elsewhere.problem);
  CHECK(elsewhere.data.empty());
}

TEST_CASE("data that is no tensor, and JSON beyond all measure, are refused") {
  for (const char* data : {"1", "\"a\"", "null", "{}", "[null]", "[true]", "[{}]", "[[[[[[[[[1]]]]]]]]]"}) {
    INFO(data);
    CHECK(read(R"({"inputs": [{"data": )" + std::string(data) + "}]}").problem);
  }
  for (const char* text : {"", "{", "[1,]", "{\"a\": 1} x", "\"\xff\"", "nul", "[1e999]"}) CHECK(read(text).problem);
  CHECK(read("[" + repeated("[],", kMaxV2Nodes) + "1]").problem);
  CHECK(read(repeated("[", 1'000'000)).problem);
  CHECK(read(R"({"inputs": [{"data": [)" + repeated("\"\",", kMaxV2Strings) + "\"\"]}]}").problem);
  const Read many = read(R"({"inputs": [{"data": [)" + repeated("0,", 100'000) + "0]}]}");
  REQUIRE_FALSE(many.problem);
  CHECK(many.data[0].numbers.size() == 100'001);
}

TEST_CASE("elements of bytes have their length in front and fill the tensor") {
  std::string bytes;
  append_v2_bytes(bytes, "ab");
  append_v2_bytes(bytes, "");
  CHECK(split_v2_bytes(bytes, 2) == std::vector<std::string_view>{"ab", ""});
  CHECK_FALSE(split_v2_bytes(bytes, 1));
  CHECK_FALSE(split_v2_bytes(bytes, 3));
  CHECK_FALSE(split_v2_bytes(bytes.substr(0, 5), 1));
  CHECK_FALSE(split_v2_bytes("\xff\xff\xff\xff", 1));
  CHECK_FALSE(split_v2_bytes("", std::size_t{1} << 62));
  CHECK(split_v2_bytes("", 0)->empty());
  std::string numbers;
  append_v2_floats(numbers, std::vector<float>{1.5F, -2});
  CHECK(split_v2_floats(numbers) == std::vector<float>{1.5F, -2});
  CHECK_FALSE(split_v2_floats("abc"));
}
