#include "inference-server/app/file_watch.hpp"

#include <sys/stat.h>

#include "common/log.hpp"

namespace imageclassifier::app {
namespace {

std::string state_of(const std::vector<std::string>& paths) {
  std::string state;
  for (const std::string& path : paths) {
    struct stat file {};
    if (stat(path.c_str(), &file) != 0) file = {};
    for (const auto part : {static_cast<std::int64_t>(file.st_dev), static_cast<std::int64_t>(file.st_ino),
                            static_cast<std::int64_t>(file.st_size), static_cast<std::int64_t>(file.st_mtim.tv_sec),
                            static_cast<std::int64_t>(file.st_mtim.tv_nsec)}) {
      state += std::to_string(part) + " ";
    }
  }
  return state;
}

}  // namespace

FileWatch::FileWatch(std::vector<WatchedFiles> files) {
  for (WatchedFiles& one : files) {
    std::string seen = state_of(one.paths);
    entries_.push_back({std::move(one), std::move(seen)});
  }
}

void FileWatch::check() {
  for (Entry& entry : entries_) check(entry);
}

void FileWatch::check(Entry& entry) {
  std::string before = state_of(entry.files.paths);
  if (before == entry.seen) return;
  entry.seen = std::move(before);
  const auto loaded = entry.files.reload();
  if (loaded) return log::info("changed files are in use", {{"files", entry.files.name}});
  // They changed while they were read: the next look reads them again.
  if (state_of(entry.files.paths) != entry.seen) return;
  log::error("changed files cannot be used, the former ones stay",
             {{"files", entry.files.name}, {"error", loaded.error().describe()}});
}

void FileWatch::run(Clock& clock, Duration interval, const std::stop_token& stop) {
  while (clock.sleep_for(interval, stop)) check();
}

}  // namespace imageclassifier::app
