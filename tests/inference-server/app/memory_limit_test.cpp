#include "inference-server/app/memory_limit.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

using namespace imageclassifier;

TEST_CASE("a container's memory is what its cgroup says; without a limit it has no end") {
  const auto file = std::filesystem::temp_directory_path() / ("memory.max-" + std::to_string(::getpid()));
  std::ofstream(file) << "2147483648\n";
  CHECK(app::memory_limit(file) == 2'147'483'648);
  std::ofstream(file) << "max\n";
  CHECK(app::memory_limit(file) == UINT64_MAX);
  std::filesystem::remove(file);
  CHECK(app::memory_limit(file) == UINT64_MAX);
}

TEST_CASE("a picture may take an eighth of the container, within bounds") {
  constexpr std::uint64_t kMebibyte = 1 << 20;
  CHECK(app::picture_memory(2048 * kMebibyte) == 256 * kMebibyte);
  CHECK(app::picture_memory(1024 * kMebibyte) == 128 * kMebibyte);
  CHECK(app::picture_memory(64 * kMebibyte) == 32 * kMebibyte);
  CHECK(app::picture_memory(UINT64_MAX) == 256 * kMebibyte);
}
