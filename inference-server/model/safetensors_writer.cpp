#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>
#include <system_error>

#include "common/sha256.hpp"
#include "inference-server/model/checksums.hpp"
#include "inference-server/model/safetensors.hpp"

namespace imageclassifier::model {
namespace {

constexpr std::size_t kAlignment = 64;

std::string make_header(std::span<const FileTensor> tensors, Metadata metadata) {
  metadata[kChecksums] = make_checksums(tensors, metadata);
  nlohmann::ordered_json header = {{"__metadata__", metadata}};
  std::uint64_t offset = 0;
  for (const FileTensor& tensor : tensors) {
    const std::uint64_t end = offset + tensor.data.size();
    header[tensor.name] = {{"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.append((kAlignment - (text.size() + 8) % kAlignment) % kAlignment, ' ');
  return text;
}

tl::unexpected<Error> cannot_write(const std::string& path, int error) {
  return fail(ErrorCode::kUnavailable, "the file " + path + " cannot be written: " + std::strerror(error));
}

/// A file on its way to a path. It has no name before it is whole, so that a process that is ended leaves nothing
/// behind; where the file system knows no such files, it has one beside the path that no other writer has.
class NewFile {
 public:
  explicit NewFile(const std::string& path) : path_(path) {
    std::random_device random;
    part_ = path + ".part-" + std::to_string(random()) + std::to_string(random());
    const auto folder = std::filesystem::path(path).parent_path();
    file_ = open(folder.empty() ? "." : folder.c_str(), O_WRONLY | O_TMPFILE | O_CLOEXEC, 0666);
    if (file_ >= 0) return;
    file_ = open(part_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    named_ = file_ >= 0;
    check(named_);
  }
  ~NewFile() {
    if (file_ >= 0) close(file_);
    if (named_) unlink(part_.c_str());
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  /// errno of the first failure; 0: none.
  int error() const { return error_; }

  void write(std::span<const std::byte> data) {
    while (!data.empty() && error_ == 0) {
      const ssize_t written = ::write(file_, data.data(), data.size());
      if (written < 0 && errno == EINTR) continue;
      check(written >= 0);
      if (written > 0) data = data.subspan(static_cast<std::size_t>(written));
    }
  }

  void take_place() {
    if (error_ == 0 && !named_) {
      const std::string link = "/proc/self/fd/" + std::to_string(file_);
      named_ = linkat(AT_FDCWD, link.c_str(), AT_FDCWD, part_.c_str(), AT_SYMLINK_FOLLOW) == 0;
      check(named_);
    }
    if (error_ != 0) return;
    check(std::rename(part_.c_str(), path_.c_str()) == 0);
    named_ = error_ != 0;
  }

 private:
  void check(bool done) {
    if (!done && error_ == 0) error_ = errno;
  }

  std::string path_;
  std::string part_;
  int file_ = -1;
  bool named_ = false;
  int error_ = 0;
};

Result<void> refuse_other_kinds(const std::string& path) {
  std::error_code ignored;
  const auto found = std::filesystem::status(path, ignored);
  if (std::filesystem::is_directory(found)) {
    return fail(ErrorCode::kInvalidArgument, "the output " + path + " is a folder; give the name of a file");
  }
  // It would be taken away and a file put in its place: /dev/null of a whole machine, for example.
  if (std::filesystem::exists(found) && !std::filesystem::is_regular_file(found)) {
    return fail(ErrorCode::kInvalidArgument, "the output " + path + " is a device or a pipe; give the name of a file");
  }
  return {};
}

}  // namespace

Result<void> check_output(const std::string& path) {
  if (auto file = refuse_other_kinds(path); !file) return file;
  const NewFile file(path);
  if (file.error() != 0) return cannot_write(path, file.error());
  return {};
}

Result<std::string> write_safetensors(const std::string& path, std::span<const FileTensor> tensors,
                                      const std::map<std::string, std::string>& metadata) {
  if (auto file = refuse_other_kinds(path); !file) return tl::unexpected(file.error());
  NewFile out(path);
  Sha256 digest;
  const auto write = [&](std::span<const std::byte> data) {
    out.write(data);
    digest.update(data);
  };
  const std::string header = make_header(tensors, metadata);
  std::string length;
  for (int shift = 0; shift < 64; shift += 8) length.push_back(static_cast<char>(header.size() >> shift));
  write(std::as_bytes(std::span(length)));
  write(std::as_bytes(std::span(header)));
  for (const FileTensor& tensor : tensors) write(tensor.data);
  out.take_place();
  if (out.error() != 0) return cannot_write(path, out.error());
  return digest.hex_digest();
}

}  // namespace imageclassifier::model
