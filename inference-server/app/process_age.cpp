#include "inference-server/app/process_age.hpp"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

namespace imageclassifier::app {

Duration process_age() {
  std::ifstream file("/proc/self/stat");
  std::string text;
  std::getline(file, text);
  // proc(5): the 22nd field, in clock ticks since boot. The second, a name in brackets, may hold spaces.
  const auto behind_name = text.rfind(')');
  if (behind_name == std::string::npos) return {};
  std::istringstream fields(text.substr(behind_name + 1));
  std::string skipped;
  for (int field = 3; field < 22; ++field) fields >> skipped;
  long long ticks = 0;
  const long per_second = ::sysconf(_SC_CLK_TCK);
  timespec now{};
  if (!(fields >> ticks) || per_second <= 0 || ::clock_gettime(CLOCK_BOOTTIME, &now) != 0) return {};
  const Duration since_boot = std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
  const Duration started = Duration(std::chrono::seconds(1)) * ticks / per_second;
  return std::clamp<Duration>(since_boot - started, Duration{}, std::chrono::minutes(1));
}

}  // namespace imageclassifier::app
