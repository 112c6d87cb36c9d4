#include "inference-server/model/cpu_quota.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <limits>

#include "tests/support/temporary_folder.hpp"

using namespace imageclassifier;
namespace files = std::filesystem;

namespace {

constexpr double kNone = std::numeric_limits<double>::infinity();

/// The cgroups of a process that are mounted in a folder.
struct Cgroups {
  explicit Cgroups(const std::string& own) { write("own", own); }
  void write(const std::string& file, const std::string& content) const {
    files::create_directories((folder.path() / file).parent_path());
    std::ofstream(folder.path() / file) << content;
  }
  double quota() const { return model::cpu_quota(folder.path(), folder.path() / "own"); }

  testing::TemporaryFolder folder;
};

}  // namespace

TEST_CASE("the CPU quota of a cgroup is in cores, and what says nothing is none") {
  const Cgroups cgroups("0::/\n");
  CHECK(cgroups.quota() == kNone);
  cgroups.write("cpu.max", "150000 100000\n");
  CHECK(cgroups.quota() == 1.5);
  cgroups.write("cpu.max", "5000 100000\n");
  CHECK(cgroups.quota() == 0.05);
  for (const char* content : {"max 100000\n", "", "what is this", "100000 0\n", "-1 100000\n"}) {
    cgroups.write("cpu.max", content);
    CHECK(cgroups.quota() == kNone);
  }
}

TEST_CASE("the CPU quota of any cgroup above counts, and what a container cannot see of its path does not matter") {
  const Cgroups cgroups("0::/kubepods/pod/container\n");
  cgroups.write("kubepods/pod/container/cpu.max", "max 100000\n");
  CHECK(cgroups.quota() == kNone);
  cgroups.write("kubepods/cpu.max", "300000 100000\n");
  CHECK(cgroups.quota() == 3);
  cgroups.write("kubepods/pod/container/cpu.max", "200000 100000\n");
  CHECK(cgroups.quota() == 2);
  const Cgroups mounted("0::/../somewhere/else\n");
  mounted.write("cpu.max", "100000 100000\n");
  CHECK(mounted.quota() == 1);
}

TEST_CASE("CPU quotas of version 1 count too") {
  const Cgroups cgroups("5:cpuset:/a\n4:cpu,cpuacct:/pod\nnonsense\n0::/\n");
  cgroups.write("cpu/pod/cpu.cfs_period_us", "100000\n");
  cgroups.write("cpu/pod/cpu.cfs_quota_us", "-1\n");
  CHECK(cgroups.quota() == kNone);
  cgroups.write("cpu/pod/cpu.cfs_quota_us", "90000\n");
  CHECK(cgroups.quota() == 0.9);
}
