#include "inference-server/model/safetensors.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>

#include "common/sha256.hpp"
#include "inference-server/model/mapped_file.hpp"
#include "tests/inference-server/support/pictures.hpp"

using namespace imageclassifier;

namespace {

std::vector<std::byte> file_of(const std::string& header, std::size_t data_bytes) {
  std::string length;
  for (int shift = 0; shift < 64; shift += 8) length.push_back(static_cast<char>(header.size() >> shift));
  return test::to_bytes(length + header + std::string(data_bytes, '\1'));
}

std::string tensor(const std::string& name, const std::string& rest) {
  return "\"" + name + "\":{" + rest + "}";
}

std::string error_of(const std::vector<std::byte>& file) {
  const auto parsed = model::parse_safetensors(file);
  REQUIRE_FALSE(parsed);
  CHECK(parsed.error().code == ErrorCode::kInvalidArgument);
  return parsed.error().message;
}

const std::string kA = tensor("a", R"("dtype":"F32","shape":[2],"data_offsets":[0,8])");

}  // namespace

TEST_CASE("a valid file gives its tensors and metadata, also with unaligned data and a padded header") {
  const std::string b = tensor("b", R"("dtype":"U8","shape":[1,3],"data_offsets":[8,11])");
  const std::string scalar = tensor("s", R"("dtype":"BF16","shape":[],"data_offsets":[11,13])");
  const auto file = file_of("{\"__metadata__\":{\"k\":\"v\"}," + b + "," + scalar + "," + kA + "}   ", 13);
  const auto parsed = model::parse_safetensors(file);
  REQUIRE(parsed);
  CHECK(parsed->metadata.at("k") == "v");
  CHECK(parsed->tensors.size() == 3);
  CHECK(parsed->tensors.at("b").shape == std::vector<std::uint64_t>{1, 3});
  CHECK(parsed->tensors.at("a").data.size() == 8);
  CHECK(model::parse_safetensors(file_of("{}", 0)));
}

TEST_CASE("each violation of the format has its own sentence") {
  const auto second = [](const std::string& offsets) {
    return "{" + kA + "," + tensor("b", R"("dtype":"F32","shape":[2],"data_offsets":)" + offsets) + "}";
  };
  const auto only = [](const std::string& rest) { return file_of("{" + tensor("a", rest) + "}", 8); };
  const std::vector<std::pair<std::vector<std::byte>, std::string>> cases{
      {test::to_bytes("1234567"), "shorter than its 8-byte"},
      {test::to_bytes(std::string(8, '\x7F') + "{}"), "100,000,000"},
      {test::to_bytes(std::string("\x05\0\0\0\0\0\0\0{}", 10)), "longer than the file"},
      {file_of("[]", 0), "does not begin with {"},
      {file_of("{\"a\":", 0), "not a JSON object"},
      {file_of("{" + kA + "," + kA + "}", 8), "appears twice"},
      {file_of("{\"__metadata__\":{\"k\":1}}", 0), "is not a string"},
      {file_of("{\"__metadata__\":3}", 0), "is not an object"},
      {file_of("{\"a\":3}", 0), "not described by an object"},
      {only(R"("shape":[2],"data_offsets":[0,8])"), "has no dtype"},
      {only(R"("dtype":"F31","shape":[2],"data_offsets":[0,8])"), "unknown type"},
      {only(R"("dtype":"F32","data_offsets":[0,8])"), "no list \"shape\""},
      {only(R"("dtype":"F32","shape":[-2],"data_offsets":[0,8])"), "not a count"},
      {only(R"("dtype":"F32","shape":[2.0],"data_offsets":[0,8])"), "not a count"},
      {only(R"("dtype":"F32","shape":[2],"data_offsets":[8])"), "invalid data_offsets"},
      {only(R"("dtype":"F32","shape":[2],"data_offsets":[8,0])"), "invalid data_offsets"},
      {only(R"("dtype":"F32","shape":[2],"data_offsets":[0,12])"), "ends behind the end of the file"},
      {only(R"("dtype":"F32","shape":[3],"data_offsets":[0,8])"), "does not match its data_offsets"},
      {only(R"("dtype":"F32","shape":[4611686018427387905,4],"data_offsets":[0,8])"), "impossible shape"},
      {file_of(second("[4,12]"), 16), "overlaps"},
      {file_of(second("[12,20]"), 20), "hole before tensor b"},
      {file_of(second("[8,16]"), 17), "bytes behind the last tensor"},
      {file_of("{" + kA + "}", 7), "ends behind the end of the file"},
  };
  for (const auto& [file, expected] : cases) CHECK_THAT(error_of(file), Catch::Contains(expected));
}

TEST_CASE("a deeply nested header is refused without harm") {
  CHECK_FALSE(model::parse_safetensors(file_of("{\"a\":" + std::string(1'000'000, '['), 0)));
}

TEST_CASE("what is written is read back, with the data aligned") {
  const std::string path =
      (std::filesystem::temp_directory_path() / ("safetensors-" + std::to_string(::getpid()))).string();
  const std::vector<float> first{1.5F, -2.0F};
  const std::vector<float> second{3.0F};
  const std::vector<model::FileTensor> tensors{{"z", {1, 2}, std::as_bytes(std::span(first))},
                                               {"a", {1}, std::as_bytes(std::span(second))}};
  const auto digest = model::write_safetensors(path, tensors, {{"weights", "test \"quoted\""}});
  REQUIRE(digest);
  {
    const auto file = model::MappedFile::open(path);
    REQUIRE(file);
    CHECK(sha256_hex(file->bytes()) == *digest);
    const auto parsed = model::parse_safetensors(file->bytes());
    REQUIRE(parsed);
    CHECK(parsed->metadata.at("weights") == "test \"quoted\"");
    const auto data = parsed->tensors.at("z").data;
    CHECK(std::vector<std::byte>(data.begin(), data.end()) ==
          std::vector<std::byte>(std::as_bytes(std::span(first)).begin(), std::as_bytes(std::span(first)).end()));
    CHECK((data.data() - file->bytes().data()) % 64 == 0);
  }
  std::filesystem::remove(path);
  CHECK(model::MappedFile::open(path).error().code == ErrorCode::kNotFound);
  CHECK(model::MappedFile::open("/").error().code == ErrorCode::kInvalidArgument);
  CHECK_THAT(model::write_safetensors("/nowhere/at/all", tensors, {}).error().message,
             Catch::Contains("No such file or directory"));
  CHECK_THAT(model::check_output("/tmp").error().message, Catch::Contains("is a folder"));
}
