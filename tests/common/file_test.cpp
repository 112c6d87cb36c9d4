#include "common/file.hpp"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

using namespace imageclassifier;
using Catch::Matchers::Contains;

TEST_CASE("a file is read whole up to its limit") {
  const std::string path = std::filesystem::temp_directory_path() / "file_test.bin";
  const std::string content(200'000, 'x');
  std::ofstream(path) << content;
  CHECK(read_file(path, 200'000).value() == content);
  const auto refused = read_file(path, 199'999);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kTooLarge);
  std::filesystem::remove(path);
}

TEST_CASE("a pipe that nobody writes is refused at once where a regular file is wanted") {
  const std::string path = std::filesystem::temp_directory_path() / "file_test.pipe";
  std::filesystem::remove(path);
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  const auto refused = read_regular_file(path, 100);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kInvalidArgument);
  CHECK_THAT(refused.error().message, Contains(path) && Contains("no regular file"));
  std::ofstream(path + ".regular") << "content";
  CHECK(read_regular_file(path + ".regular", 100).value() == "content");
  CHECK_THAT(read_regular_file("/proc", 100).error().message, Contains("directory"));
  std::filesystem::remove(path);
  std::filesystem::remove(path + ".regular");
}

TEST_CASE("what is no readable file is an error that names the path and the cause") {
  const auto folder = read_file("/proc", 100);
  REQUIRE_FALSE(folder);
  CHECK_THAT(folder.error().message, Contains("/proc") && Contains("directory"));
  const auto missing = read_file("/does/not/exist", 100);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::kNotFound);
  CHECK_THAT(missing.error().message, Contains("No such file"));
}
