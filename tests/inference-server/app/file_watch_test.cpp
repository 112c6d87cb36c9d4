#include "inference-server/app/file_watch.hpp"

#include <catch2/catch.hpp>
#include <fstream>

#include "tests/support/captured_log.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace imageclassifier;
namespace files = std::filesystem;

namespace {

/// A mounted Secret: `..data` leads to a folder of this generation, `password` through it.
struct MountedSecret {
  MountedSecret() {
    write("1", "first");
    files::create_directory_symlink("1", folder.path() / "..data");
    files::create_symlink("..data/password", folder.path() / "password");
  }
  void write(const std::string& generation, const std::string& content) const {
    files::create_directory(folder.path() / generation);
    std::ofstream(folder.path() / generation / "password") << content;
  }
  /// As the kubelet does: the new generation beside the old one, then one rename.
  void change(const std::string& generation, const std::string& content) const {
    write(generation, content);
    files::create_directory_symlink(generation, folder.path() / "..tmp");
    files::rename(folder.path() / "..tmp", folder.path() / "..data");
  }
  std::string path() const { return folder.path() / "password"; }

  testing::TemporaryFolder folder;
};

}  // namespace

TEST_CASE("files are read again when the folder behind their links is exchanged, and only then") {
  const MountedSecret secret;
  int reads = 0;
  app::FileWatch watch({{"credentials", {secret.path()}, [&reads] { return ++reads, Result<void>(); }}});
  watch.check();
  CHECK(reads == 0);
  secret.change("2", "other");
  watch.check();
  watch.check();
  CHECK(reads == 1);
  files::remove(secret.path());
  watch.check();
  CHECK(reads == 2);
}

TEST_CASE("a change that cannot be used is logged once, and the next one is looked at again") {
  const MountedSecret secret;
  int reads = 0;
  app::FileWatch watch({{"credentials", {secret.path()}, [&reads]() -> Result<void> {
                           if (++reads == 1) return fail(ErrorCode::kInvalidArgument, "it is broken");
                           return {};
                         }}});
  const testing::CapturedLog captured;
  log::set_level(log::Level::kInfo);
  secret.change("2", "");
  watch.check();
  watch.check();
  CHECK(reads == 1);
  secret.change("3", "whole again");
  watch.check();
  CHECK(reads == 2);
  CHECK(captured.count("it is broken") == 1);
  CHECK(captured.count("changed files are in use") == 1);
}

TEST_CASE("files that change again while they are read are no error yet") {
  const MountedSecret secret;
  int reads = 0;
  app::FileWatch watch({{"credentials", {secret.path()}, [&]() -> Result<void> {
                           if (++reads > 1) return {};
                           secret.change("3", "third");
                           return fail(ErrorCode::kInvalidArgument, "half of each");
                         }}});
  const testing::CapturedLog captured;
  log::set_level(log::Level::kInfo);
  secret.change("2", "second");
  watch.check();
  watch.check();
  CHECK(reads == 2);
  CHECK(captured.count("half of each") == 0);
}
