#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace imageclassifier::app {

struct ProgressStep {
  std::uint64_t done = 0;
  std::uint64_t total = 0;  ///< 0: not known
  double rate = 0;          ///< per second, since the first report; 0: not known yet
};

/// "about 40 s" or "about 3 min"; "some time" while the rate is not known.
std::string remaining_time(const ProgressStep& step);

/// Shows on standard error how far a long piece of work is: on a terminal one line that changes five times a second,
/// else a line for each tenth. Not thread safe.
class Progress {
 public:
  explicit Progress(std::function<std::string(const ProgressStep&)> to_text);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() { end_line(); }

  void show(std::uint64_t done, std::uint64_t total);
  /// Before other lines are written.
  void end_line();

 private:
  struct Beginning {
    std::chrono::steady_clock::time_point at;
    std::uint64_t done;
  };
  std::function<std::string(const ProgressStep&)> to_text_;
  bool terminal_;
  bool open_ = false;  ///< a line without its end is on the terminal
  int tenth_ = -1;
  std::optional<Beginning> first_;
  std::chrono::steady_clock::time_point last_;
};

}  // namespace imageclassifier::app
