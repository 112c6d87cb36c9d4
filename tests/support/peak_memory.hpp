#pragma once

#include <fstream>
#include <string>

namespace imageclassifier::testing {

/// How much the resident memory of this process has grown at most since the object was made (VmHWM, reset through
/// /proc/self/clear_refs). One at a time; what the test itself holds counts too.
class PeakMemory {
 public:
  PeakMemory() : before_(megabytes("VmRSS:")) { std::ofstream("/proc/self/clear_refs") << "5"; }

  double grown_megabytes() const { return megabytes("VmHWM:") - before_; }

 private:
  static double megabytes(const std::string& wanted) {
    std::ifstream status("/proc/self/status");
    for (std::string key; status >> key;) {
      if (key != wanted) continue;
      double kibibytes = 0;
      status >> kibibytes;
      return kibibytes * 1024 / 1e6;
    }
    return 0;
  }

  double before_;
};

// The sanitizers keep freed memory.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr double kSanitizerMegabytes = 1000;
#else
constexpr double kSanitizerMegabytes = 0;
#endif

}  // namespace imageclassifier::testing
