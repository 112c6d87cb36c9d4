#pragma once

#include <cstddef>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "common/clock.hpp"
#include "common/result.hpp"

namespace imageclassifier::kubernetes {

struct ChildOptions {
  std::string program = {};                                           ///< path; no shell, no search
  std::vector<std::string> args = {};                                 ///< without the program's name
  std::vector<std::pair<std::string, std::string>> environment = {};  ///< added to ours, replacing equal names
  Duration timeout = std::chrono::seconds(60);
  std::size_t maximum_output = 1U << 20U;  ///< more is kTooLarge
  std::size_t maximum_errors = 4096;       ///< the last bytes of standard error that are kept
  std::stop_token stop = {};               ///< ends it as the time-out does, within 50 ms
};

struct ChildResult {
  int exit_code = 0;  ///< 128 + n after signal n
  std::string output;
  std::string errors;
};

/// Runs a program to its end: standard input is empty, no descriptor but the three is inherited, the signal mask and
/// handlers are the default ones, it has a process group of its own, which is killed on time-out. Blocks. What a
/// grandchild writes after the program's end is not waited for. Errors: kNotFound (cannot be started),
/// kDeadlineExceeded, kCancelled (stopped), kTooLarge, kInternal.
Result<ChildResult> run_child(const ChildOptions& options);

/// Where `name` is in `path` ("/usr/bin:/bin"); empty if nowhere. Relative folders of `path` are passed over.
std::string find_program(const std::string& name, const std::string& path);

}  // namespace imageclassifier::kubernetes
