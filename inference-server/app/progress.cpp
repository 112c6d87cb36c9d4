#include "inference-server/app/progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

namespace imageclassifier::app {

std::string remaining_time(const ProgressStep& step) {
  if (step.rate <= 0) return "some time";
  const double seconds = static_cast<double>(step.total - std::min(step.total, step.done)) / step.rate;
  if (seconds < 90) return "about " + std::to_string(std::lround(seconds)) + " s";
  return "about " + std::to_string(std::lround(seconds / 60)) + " min";
}

Progress::Progress(std::function<std::string(const ProgressStep&)> to_text)
    : to_text_(std::move(to_text)), terminal_(::isatty(STDERR_FILENO) == 1) {}

void Progress::show(std::uint64_t done, std::uint64_t total) {
  constexpr std::chrono::milliseconds kInterval{200};
  const auto now = std::chrono::steady_clock::now();
  if (!first_) {
    first_ = {now, done};
    last_ = now - kInterval;
  }
  const int tenth = total == 0 ? 0 : static_cast<int>(done * 10 / total);
  if (terminal_ ? now - last_ < kInterval && done != total : tenth == tenth_) return;
  last_ = now;
  tenth_ = tenth;
  const double seconds = std::chrono::duration<double>(now - first_->at).count();
  const double rate = seconds > 0 ? static_cast<double>(done - std::min(done, first_->done)) / seconds : 0;
  const std::string text = to_text_({done, total, rate});
  std::fprintf(stderr, "%s%s%s", terminal_ ? "\r" : "", text.c_str(), terminal_ ? "  " : "\n");
  open_ = terminal_;
}

void Progress::end_line() {
  if (open_) std::fputs("\n", stderr);
  open_ = false;
}

}  // namespace imageclassifier::app
