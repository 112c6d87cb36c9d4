#include "inference-server/model/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace imageclassifier::model {
namespace {

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

tl::unexpected<Error> system_failure(const std::string& path) {
  const int error = errno;
  if (error == ENOENT || error == ENOTDIR) return fail(ErrorCode::kNotFound, "there is no file " + path);
  if (error == EACCES) return fail(ErrorCode::kPermissionDenied, "the file " + path + " may not be read");
  return fail(ErrorCode::kUnavailable, "the file " + path + " cannot be read: " + std::strerror(error));
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::string& path) {
  // A pipe without a writer would not be opened before somebody writes.
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return system_failure(path);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return system_failure(path);
  if (!S_ISREG(status.st_mode)) return fail(ErrorCode::kInvalidArgument, path + " is not a regular file");
  if (status.st_size == 0) return fail(ErrorCode::kInvalidArgument, "the file " + path + " is empty");
  const auto size = static_cast<std::size_t>(status.st_size);
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (data == MAP_FAILED) return system_failure(path);
  ::madvise(data, size, MADV_WILLNEED);
  return MappedFile(static_cast<const std::byte*>(data), size);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace imageclassifier::model
