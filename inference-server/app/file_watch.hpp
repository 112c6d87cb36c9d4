#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/clock.hpp"
#include "common/result.hpp"

namespace imageclassifier::app {

/// Files that are read again when they change while the program runs.
struct WatchedFiles {
  std::string name;                      ///< for the log: "TLS certificate"
  std::vector<std::string> paths;        ///< need not exist
  std::function<Result<void>()> reload;  ///< reads them and takes them into use; a failure leaves all as it was
};

/// Notices changes of files by looking at them: also those of mounted Secrets, whose symbolic links are exchanged as a
/// whole, which events of a file system do not tell. What is there at construction counts as seen, so construct first
/// and read the files then. Every change is logged once, whether it could be used or not. Not thread safe.
class FileWatch {
 public:
  explicit FileWatch(std::vector<WatchedFiles> files);

  /// One look.
  void check();
  /// A look every `interval` until a stop is requested.
  void run(Clock& clock, Duration interval, const std::stop_token& stop);

 private:
  struct Entry {
    WatchedFiles files;
    std::string seen;  // which file each path led to, and when it was written
  };
  static void check(Entry& entry);

  std::vector<Entry> entries_;
};

}  // namespace imageclassifier::app
