#pragma once

#include <unistd.h>

#include <cstdio>
#include <string>

#include "common/log.hpp"

namespace imageclassifier::testing {

/// Holds what the process writes to standard error, where log lines go, while it lives. One at a time.
class CapturedLog {
 public:
  CapturedLog() : file_(std::tmpfile()), before_(dup(STDERR_FILENO)) { dup2(fileno(file_), STDERR_FILENO); }
  ~CapturedLog() {
    dup2(before_, STDERR_FILENO);
    close(before_);
    std::fclose(file_);
  }
  CapturedLog(const CapturedLog&) = delete;

  std::string text() const {
    std::string all;
    char buffer[4096];
    ssize_t got = 0;
    while ((got = pread(fileno(file_), buffer, sizeof buffer, static_cast<off_t>(all.size()))) > 0) {
      all.append(buffer, static_cast<std::size_t>(got));
    }
    return all;
  }
  int count(const std::string& what) const {
    const std::string all = text();
    int found = 0;
    for (std::size_t at = all.find(what); at != std::string::npos; at = all.find(what, at + 1)) ++found;
    return found;
  }

 private:
  std::FILE* file_;
  int before_;
};

}  // namespace imageclassifier::testing
