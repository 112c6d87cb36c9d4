#include "inference-server/model/torch_archive.hpp"

#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include "tests/inference-server/support/pictures.hpp"

using namespace imageclassifier;

namespace {

/// The files of write_torch_files.py; made once.
class Cases {
 public:
  Cases() {
    char name[] = "/tmp/torch-archive-XXXXXX";
    folder_ = ::mkdtemp(name);
    REQUIRE(std::system(("/usr/bin/python3 -B tests/inference-server/model/write_torch_files.py " + folder_).c_str()) ==
            0);
  }
  Cases(const Cases&) = delete;
  Cases& operator=(const Cases&) = delete;
  ~Cases() { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return folder_ + "/" + name; }

 private:
  std::string folder_;
};

const Cases& cases() {
  static const Cases kCases;
  return kCases;
}

std::vector<std::byte> file(const std::string& name) {
  auto bytes = test::read_file(cases().path(name));
  REQUIRE_FALSE(bytes.empty());
  return bytes;
}

std::vector<float> floats(const model::TensorView& tensor) {
  std::vector<float> values(tensor.data.size() / sizeof(float));
  std::memcpy(values.data(), tensor.data.data(), tensor.data.size());
  return values;
}

Error error_of(std::span<const std::byte> bytes) {
  const auto parsed = model::parse_torch_file(bytes);
  REQUIRE_FALSE(parsed);
  return parsed.error();
}

}  // namespace

TEST_CASE("a file in the format of torch.save gives its tensors, those that lie otherwise in C order too") {
  for (const char* name : {"good.pth", "legacy.pth"}) {
    INFO(name);
    const auto bytes = file(name);
    REQUIRE(model::is_torch_file(bytes));
    const auto parsed = model::parse_torch_file(bytes);
    if (!parsed) FAIL(parsed.error().describe());
    const auto& tensors = parsed->content.tensors;
    CHECK(tensors.size() == 7);
    CHECK(tensors.at("whole").shape == std::vector<std::uint64_t>{3, 4});
    CHECK(floats(tensors.at("whole")) == std::vector<float>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
    CHECK(tensors.at("transposed").shape == std::vector<std::uint64_t>{2, 3});
    CHECK(floats(tensors.at("transposed")) == std::vector<float>{4, 6, 8, 5, 7, 9});
    CHECK(floats(tensors.at("parameter")) == std::vector<float>{1.5F, -2.0F});
    CHECK(tensors.at("steps").shape.empty());
    for (const auto& [tensor, dtype] : std::vector<std::pair<std::string, std::string>>{
             {"whole", "F32"}, {"half", "F16"}, {"double", "F64"}, {"bfloat16", "BF16"}, {"steps", "I64"}}) {
      CHECK(tensors.at(tensor).dtype == dtype);
    }
    CHECK(parsed->content.metadata.empty());
  }
  CHECK(model::parse_torch_file(file("dict.pth")));
  CHECK_FALSE(model::is_torch_file(test::to_bytes("{}")));
}

TEST_CASE("code in a .pth file is refused by name and not run") {
  for (const char* name : {"code.pth", "legacy-code.pth"}) {
    const Error error = error_of(file(name));
    CHECK(error.code == ErrorCode::kUnsupported);
    CHECK_THAT(error.message, Catch::Contains("posix.system") && Catch::Contains("torch.save(model.state_dict()"));
  }
  const Error script = error_of(file("script.pth"));
  CHECK(script.code == ErrorCode::kUnsupported);
  CHECK_THAT(script.message, Catch::Contains("TorchScript"));
  CHECK_FALSE(std::filesystem::exists(cases().path("executed")));
}

TEST_CASE("what is wrong with a .pth file has its own sentence") {
  const std::vector<std::pair<const char*, const char*>> expected{{"checkpoint.pth", "\"epoch\", which is no tensor"},
                                                                  {"list.pth", "not a state_dict"},
                                                                  {"empty.pth", "state_dict is empty"},
                                                                  {"char.pth", "torch.CharStorage"},
                                                                  {"big.pth", "big endian"},
                                                                  {"deflated.pth", "compressed"},
                                                                  {"no-data.pth", "are missing"},
                                                                  {"no-pickle.pth", "no data.pkl"},
                                                                  {"outside.pth", "reaches out of its data"},
                                                                  {"stride.pth", "reaches out of its data"},
                                                                  {"repeated.pth", "reaches out of its data"},
                                                                  {"overflow.pth", "reaches out of its data"},
                                                                  {"negative.pth", "impossible shape"},
                                                                  {"short.pth", "another size than declared"},
                                                                  {"cut.pth", "cut off"},
                                                                  {"damaged.pth", "its checksum differs"},
                                                                  {"legacy-cut.pth", "cut off"},
                                                                  {"legacy-more.pth", "bytes behind its data"}};
  for (const auto& [name, sentence] : expected) {
    INFO(name);
    CHECK_THAT(error_of(file(name)).message, Catch::Contains(sentence));
  }
}

TEST_CASE("a .pth file that is cut anywhere is refused") {
  for (const char* name : {"good.pth", "legacy.pth"}) {
    const auto bytes = file(name);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      INFO(name << " cut at " << size);
      CHECK_FALSE(model::parse_torch_file(std::span(bytes).first(size)));
    }
  }
}
