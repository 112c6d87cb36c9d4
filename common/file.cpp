#include "common/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace imageclassifier {
namespace {

constexpr std::size_t kPiece = 64 * 1024;

struct Descriptor {
  int number;
  ~Descriptor() {
    if (number >= 0) close(number);
  }
};

tl::unexpected<Error> cannot_read(const std::string& path, int error) {
  return fail(error == EISDIR ? ErrorCode::kInvalidArgument : ErrorCode::kNotFound,
              path + " cannot be read: " + std::strerror(error));
}

Result<std::string> read_all(const Descriptor& file, const std::string& path, std::uint64_t max_bytes) {
  std::string content;
  for (;;) {
    const std::size_t end = content.size();
    content.resize(end + kPiece);
    const ssize_t got = read(file.number, content.data() + end, kPiece);
    if (got < 0 && errno == EINTR) {
      content.resize(end);
      continue;
    }
    if (got < 0) return cannot_read(path, errno);
    content.resize(end + static_cast<std::size_t>(got));
    if (got == 0) return content;
    if (content.size() > max_bytes) {
      return fail(ErrorCode::kTooLarge, path + " is larger than " + std::to_string(max_bytes) + " bytes");
    }
  }
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::uint64_t max_bytes) {
  const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.number < 0) return cannot_read(path, errno);
  return read_all(file, path, max_bytes);
}

Result<std::string> read_regular_file(const std::string& path, std::uint64_t max_bytes) {
  const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  struct stat info = {};
  if (file.number < 0 || fstat(file.number, &info) != 0) return cannot_read(path, errno);
  if (S_ISDIR(info.st_mode)) return cannot_read(path, EISDIR);
  if (!S_ISREG(info.st_mode)) return fail(ErrorCode::kInvalidArgument, path + " is no regular file");
  return read_all(file, path, max_bytes);
}

}  // namespace imageclassifier
