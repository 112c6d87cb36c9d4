#include "inference-server/model/part_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <string_view>

#include "common/file.hpp"

namespace imageclassifier::model {

PartFile::PartFile(const std::string& path, const std::string& address)
    : path_(path + ".part"),
      tag_path_(path_ + ".etag"),
      address_(address),
      file_(open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
  check(file_ >= 0);
  if (file_ >= 0 && !lock()) {
    close(file_);
    file_ = -1;
  }
  if (file_ >= 0 && !resume()) start_over({});
}

/// Also not if another process has renamed or removed the file between its opening and its lock.
bool PartFile::lock() {
  struct stat opened {};
  struct stat named {};
  const bool ours = flock(file_, LOCK_EX | LOCK_NB) == 0 && fstat(file_, &opened) == 0 &&
                    stat(path_.c_str(), &named) == 0 && opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
  if (!ours) error_ = EBUSY;
  return ours;
}

PartFile::~PartFile() {
  if (file_ < 0) return;
  close(file_);
  if (!kept_ && !discarded_ && !tag_.empty() && size_ > 0) return;
  if (!kept_) unlink(path_.c_str());
  unlink(tag_path_.c_str());
}

/// The tag's file has two lines: the address and the tag.
bool PartFile::resume() {
  constexpr std::uint64_t kMaximumFile = 16 * 1024;
  const auto note = read_regular_file(tag_path_, kMaximumFile);
  if (!note || !note->starts_with(address_ + "\n") || !note->ends_with("\n")) return false;
  tag_ = note->substr(address_.size() + 1, note->size() - address_.size() - 2);
  if (tag_.empty() || tag_.find('\n') != std::string::npos) return false;
  std::array<char, 65536> buffer{};
  ssize_t got = 0;
  while ((got = read(file_, buffer.data(), buffer.size())) > 0) {
    digest_.update(std::string_view(buffer.data(), static_cast<std::size_t>(got)));
    size_ += static_cast<std::uint64_t>(got);
  }
  return got == 0 && size_ > 0;
}

bool PartFile::write(const char* data, std::size_t size) {
  digest_.update(std::string_view(data, size));
  while (size > 0 && error_ == 0) {
    const ssize_t written = ::write(file_, data, size);
    if (written < 0 && errno == EINTR) continue;
    if (written == 0) errno = EIO;
    check(written > 0);
    if (written <= 0) break;
    data += written;
    size -= static_cast<std::size_t>(written);
    size_ += static_cast<std::uint64_t>(written);
  }
  return error_ == 0;
}

bool PartFile::start_over(const std::string& tag) {
  check(ftruncate(file_, 0) == 0 && lseek(file_, 0, SEEK_SET) == 0);
  digest_ = Sha256();
  size_ = 0;
  tag_ = tag;
  unlink(tag_path_.c_str());
  if (tag_.empty() || error_ != 0) return error_ == 0;
  std::ofstream note(tag_path_, std::ios::trunc);
  note << address_ << "\n" << tag_ << "\n";
  note.close();
  if (!note) tag_.clear();  // the download goes on without
  return true;
}

bool PartFile::keep_as(const std::string& path) {
  if (error_ == 0) check(fsync(file_) == 0 && std::rename(path_.c_str(), path.c_str()) == 0);
  kept_ = error_ == 0;
  return kept_;
}

void PartFile::check(bool done) {
  if (!done && error_ == 0) error_ = errno;
}

}  // namespace imageclassifier::model
